package gguf

import "github.com/llama4go/llama4go/llama4/quant"

// Format returns the smallest format that holds the type without loss. It is BF16
// for the floating-point types, of which F16 and F32 are rounded.
func (t Type) Format() quant.Format {
	b := blocks[t]
	if !b.quantized() {
		return quant.Format{}
	}
	f := quant.Format{Type: quant.I8, Group: int64(b.group), Scale: quant.F16, Offset: b.offset}
	if b.bits <= 4 {
		f.Type = quant.I4
	}
	if b.wide {
		f.Scale = quant.F32
	}
	return f
}

// Join returns a format that holds what f and g hold, for matrices that become one.
// It loses nothing of two quantized ones. With one of plain numbers it is BF16, to
// which quantized values are rounded.
func Join(f, g quant.Format) quant.Format {
	switch {
	case f == g:
		return f
	case !f.Quantized() || !g.Quantized():
		return quant.Format{}
	}
	if g.Type == quant.I8 {
		f.Type = quant.I8
	}
	if g.Scale == quant.F32 {
		f.Scale = quant.F32
	}
	f.Group = min(f.Group, g.Group)
	f.Offset = f.Offset || g.Offset
	return f
}
