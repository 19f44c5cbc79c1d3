//go:build !cgo

package bindings

// With cgo off this package cannot be built, and this name, which is declared
// nowhere, is what the compiler says about it.
var _ = this_package_needs_cgo_so_set_CGO_ENABLED_to_1_and_install_a_C_compiler
