// Package shards writes the tensors of a checkpoint into a folder, in files of a
// bounded size, so that a run that was interrupted can be continued.
//
// A [Unit] is tensors that are made together. [Folder.Write] lays all units out in
// files, knows from that what each file must look like, and makes those that are not
// there yet. A file is written under another name, synced and renamed, so a file with
// its own name is whole, whatever ended the run before. A state file says what the
// folder is made of; a folder that is not empty and has none, or another, is refused.
package shards
