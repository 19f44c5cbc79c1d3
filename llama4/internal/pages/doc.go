// Package pages gives back the memory of mapped files that were read.
package pages
