package gguf

import "math"

// Keys reads metadata by name and keeps the first error, which names the key.
type Keys struct {
	file   *File
	prefix string
	err    error
}

// Keys returns a reader of the keys that begin with prefix.
func (f *File) Keys(prefix string) *Keys { return &Keys{file: f, prefix: prefix} }

// Err returns the first error.
func (k *Keys) Err() error { return k.err }

// Has says whether a key is there.
func (k *Keys) Has(name string) bool {
	_, ok := k.file.values[k.prefix+name]
	return ok
}

// Fail notes that a key is not as wanted.
func (k *Keys) Fail(name, format string, args ...any) {
	if k.err == nil {
		k.err = invalid("", "%s%s "+format, append([]any{k.prefix, name}, args...)...)
	}
}

// read looks a key up and notes what is wrong with it; required ones must be there.
func read[T any](k *Keys, name, want string, required bool, standard T, get func(Value) (T, bool)) T {
	v, ok := k.file.values[k.prefix+name]
	if !ok {
		if required {
			k.Fail(name, "is missing, want %s", want)
		}
		return standard
	}
	got, ok := get(v)
	if !ok {
		k.Fail(name, "is %v, want %s", v, want)
		return standard
	}
	return got
}

func whole(v Value) (int, bool) {
	n, ok := v.Int()
	return int(n), ok && n >= math.MinInt32 && n <= math.MaxInt32
}

// Int returns a whole number of 32 bits, or standard if the key is missing.
func (k *Keys) Int(name string, standard int) int {
	return read(k, name, "a whole number", false, standard, whole)
}

// RequiredInt is Int for a key that must be there.
func (k *Keys) RequiredInt(name string) int {
	return read(k, name, "a whole number", true, 0, whole)
}

// Float returns a number, or standard if the key is missing.
func (k *Keys) Float(name string, standard float64) float64 {
	return read(k, name, "a number", false, standard, Value.Float)
}

// RequiredFloat is Float for a key that must be there.
func (k *Keys) RequiredFloat(name string) float64 {
	return read(k, name, "a number", true, 0, Value.Float)
}

// Text returns a string, or standard if the key is missing.
func (k *Keys) Text(name, standard string) string {
	return read(k, name, "a string", false, standard, Value.Text)
}

// RequiredStrings returns a list of strings that must be there.
func (k *Keys) RequiredStrings(name string) []string {
	return read(k, name, "a list of strings", true, nil, Value.Strings)
}

// RequiredInts returns a list of whole numbers that must be there.
func (k *Keys) RequiredInts(name string) []int64 {
	return read(k, name, "a list of whole numbers", true, nil, Value.Ints)
}
