package bench

// peak is what a card can do at most, by its maker.
type peak struct {
	TFLOPs float64 `json:"tflops"` // dense bf16 with fp32 sums
	GBs    float64 `json:"gb_s"`   // of the memory
	Source string  `json:"source"`
}

// peaks are by the name that the driver gives. A card that is not here, and a part
// of one in MIG mode, gets no percentages.
var peaks = map[string]*peak{
	"NVIDIA A10":              {125, 600, "A10 datasheet"},
	"NVIDIA A100-PCIE-40GB":   {312, 1555, "A100 datasheet"},
	"NVIDIA A100-SXM4-40GB":   {312, 1555, "A100 datasheet"},
	"NVIDIA A100 80GB PCIe":   {312, 1935, "A100 datasheet"},
	"NVIDIA A100-SXM4-80GB":   {312, 2039, "A100 datasheet"},
	"NVIDIA L4":               {121, 300, "L4 datasheet, half of the figure with sparsity"},
	"NVIDIA L40S":             {362, 864, "L40S datasheet"},
	"NVIDIA H100 PCIe":        {756, 2039, "H100 whitepaper"},
	"NVIDIA H100 80GB HBM3":   {989.4, 3352, "H100 whitepaper"},
	"NVIDIA H100 NVL":         {835, 3900, "H100 NVL datasheet, half of the figure with sparsity"},
	"NVIDIA H200":             {989.4, 4800, "H200 datasheet, half of the figure with sparsity"},
	"NVIDIA H200 NVL":         {835, 4800, "H200 NVL datasheet, half of the figure with sparsity"},
	"NVIDIA B200":             {2250, 8000, "DGX B200 datasheet, an eighth, half of the figure with sparsity"},
	"NVIDIA GeForce RTX 3090": {71, 936, "GA102 whitepaper"},
	"NVIDIA GeForce RTX 4090": {165.2, 1008, "Ada whitepaper"},
	"NVIDIA GeForce RTX 5090": {209.5, 1792, "RTX Blackwell whitepaper"},
}
