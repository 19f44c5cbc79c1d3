package discover

import (
	"cmp"
	"fmt"
	"slices"
)

// Place is a GPU, or a MIG instance of one, that a program can be given.
type Place struct {
	GPU   int    `json:"gpu"`   // the GPU's Index
	UUID  string `json:"uuid"`  // of the GPU or of the instance, for CUDA_VISIBLE_DEVICES
	Name  string `json:"name"`  // of the GPU or of the instance
	Free  uint64 `json:"free"`  // bytes
	Total uint64 `json:"total"` // bytes

	instance bool
}

// FitsIn returns the places that have bytes of memory free, the most free one
// first, equal ones in the order of gpus. Bytes is all that a program will take
// there: weights, KV cache, workspace and the CUDA context itself. With no such
// place the error wraps [ErrNoFit] and gives the sizes. GPUs whose memory is
// unknown are never a place.
func FitsIn(gpus []GPU, bytes uint64) ([]Place, error) {
	all := places(gpus)
	slices.SortStableFunc(all, func(a, b Place) int { return cmp.Compare(b.Free, a.Free) })
	n := 0
	for n < len(all) && all[n].Free >= bytes {
		n++
	}
	if n == 0 {
		return nil, noFit(gpus, all, bytes)
	}
	return all[:n], nil
}

// places lists every GPU with known memory, or its instances in MIG mode.
func places(gpus []GPU) []Place {
	var all []Place
	for _, g := range gpus {
		if !g.MIG && g.Memory != nil {
			all = append(all, Place{GPU: g.Index, UUID: g.UUID, Name: g.Name, Free: g.Memory.Free, Total: g.Memory.Total})
		}
		for _, i := range g.Instances {
			if i.Memory != nil {
				all = append(all, Place{
					GPU: g.Index, UUID: i.UUID, Name: i.Name, Free: i.Memory.Free, Total: i.Memory.Total, instance: true,
				})
			}
		}
	}
	return all
}

// noFit words that nothing fits. all is sorted, the most free place first.
func noFit(gpus []GPU, all []Place, bytes uint64) error {
	need := gib(bytes, 1)
	switch {
	case len(gpus) == 0:
		return fmt.Errorf("%w: needs %s, and there is no GPU", ErrNoFit, need)
	case len(all) == 0:
		return fmt.Errorf("%w: needs %s, and no GPU here tells how much is free", ErrNoFit, need)
	}
	best := all[0]
	need, free := apart(bytes, best.Free)
	return fmt.Errorf("%w: needs %s, the largest free is %s on %s (%s, %s in all): %s",
		ErrNoFit, need, free, best.where(), best.Name, gib(best.Total, 1), advice(all, bytes))
}

// advice says what would make room: the first place that is large enough when
// empty, or else a smaller model.
func advice(all []Place, bytes uint64) string {
	for _, p := range all {
		if p.Total >= bytes {
			return fmt.Sprintf("%s could hold it if the %s in use there were freed", p.where(), gib(p.Total-p.Free, 1))
		}
	}
	return "none here is that large, even empty: use a shorter context, quantized weights or the CPU"
}

func (p Place) where() string {
	if p.instance {
		return fmt.Sprintf("a MIG instance of GPU %d", p.GPU)
	}
	return fmt.Sprintf("GPU %d", p.GPU)
}

func gib(bytes uint64, digits int) string {
	return fmt.Sprintf("%.*f GiB", digits, float64(bytes)/(1<<30))
}

// apart writes two different sizes with as many digits as tell them apart.
func apart(a, b uint64) (string, string) {
	for digits := 1; digits <= 3; digits++ {
		if x, y := gib(a, digits), gib(b, digits); x != y {
			return x, y
		}
	}
	return fmt.Sprintf("%d bytes", a), fmt.Sprintf("%d bytes", b)
}
