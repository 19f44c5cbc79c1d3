package sample

import "math"

// Powers of two by 32nds, 2^(i/32).
var powers = [32]float64{
	1.0, 1.0218971486541166, 1.0442737824274138, 1.0671404006768237,
	1.0905077326652577, 1.1143867425958924, 1.1387886347566916, 1.1637248587775775,
	1.189207115002721, 1.215247359980469, 1.241857812073484, 1.2690509571917332,
	1.2968395546510096, 1.3252366431597413, 1.3542555469368927, 1.383909881963832,
	1.4142135623730951, 1.4451808069770467, 1.4768261459394993, 1.5091644275934228,
	1.5422108254079407, 1.5759808451078865, 1.6104903319492543, 1.645755478153965,
	1.681792830507429, 1.718619298122478, 1.7562521603732995, 1.7947090750031072,
	1.8340080864093424, 1.8741676341103, 1.9152065613971474, 1.9571441241754002,
}

const (
	perOctave = 46.16624130844683 // 32/ln 2
	// ln 2/32 in two parts: multiples of the first up to 2^20 are exact.
	octaveHigh = 0.021660849390173098
	octaveLow  = 2.325192846878874e-12
	// Adding and subtracting it rounds to an integer, which the low bits then hold.
	rounder = 3 << 51
)

// expNegative returns e^x for x <= 0 and 0 below -700, with an error of about one
// unit in the last place. It is several times as fast as math.Exp, and the same on
// every platform: math.Exp has assembly of its own on some, and the conversions
// here keep products from being fused with sums on others.
//
// e^x = 2^(k/32) e^r with k = round(32 x/ln 2), and a Taylor polynomial for e^r,
// |r| <= ln 2/64, whose next term is below 4e-18.
func expNegative(x float64) float64 {
	if x < -700 {
		return 0
	}
	shifted := float64(x*perOctave) + rounder
	k := int32(math.Float64bits(shifted))
	n := shifted - rounder
	r := x - float64(n*octaveHigh) - float64(n*octaveLow)
	poly := 1.0/120 + float64(r*(1.0/720))
	poly = 1.0/24 + float64(r*poly)
	poly = 1.0/6 + float64(r*poly)
	poly = 1.0/2 + float64(r*poly)
	poly = r + float64(float64(r*r)*poly)
	t := powers[k&31]
	scale := math.Float64frombits(uint64(k>>5+1023) << 52)
	return (t + float64(t*poly)) * scale
}
