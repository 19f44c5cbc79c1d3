package optest

import "github.com/llama4go/llama4go/bindings"

// zeros are an input or an output of any type.
func (r *rig) zeros(name string, dtype bindings.DType, shape ...int64) bindings.Tensor {
	return r.place(name, dtype, make([]byte, bytesOf(dtype, shape)), true, shape)
}

func (r *rig) zeros32(name string, shape ...int64) bindings.Tensor {
	return r.zeros(name, bindings.F32, shape...)
}

func (r *rig) zeros16(name string, shape ...int64) bindings.Tensor {
	return r.zeros(name, bindings.BF16, shape...)
}

// zerosAct are of the type of activations.
func (r *rig) zerosAct(name string, shape ...int64) bindings.Tensor {
	return r.zeros(name, r.act, shape...)
}

// zerosOther are of the type that activations could have and do not.
func (r *rig) zerosOther(name string, shape ...int64) bindings.Tensor {
	if r.act == bindings.F32 {
		return r.zeros16(name, shape...)
	}
	return r.zeros32(name, shape...)
}

// zerosInt places what is of no type that activations may have.
func (r *rig) zerosInt(name string, shape ...int64) bindings.Tensor {
	return r.zeros(name, bindings.I32, shape...)
}

// indices places integers that a test replaces.
func (r *rig) indices(name string, values ...int32) bindings.Tensor {
	return r.place(name, bindings.I32, raw(values), true, []int64{int64(len(values))})
}
