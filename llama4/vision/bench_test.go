package vision

import (
	"fmt"
	"syscall"
	"testing"
)

// BenchmarkTiles is timed for the reference by testdata/tiles/speed.py.
func BenchmarkTiles(b *testing.B) {
	for _, size := range [][2]int{{1000, 750}, {4000, 3000}, {300, 200}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			s, p := Default(), picture(size[0], size[1], 0, 0)
			b.SetBytes(int64(len(p.Pix)))
			u0 := cpu()
			for b.Loop() {
				s.Tiles(p)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric((cpu()-u0)/float64(b.N)*1e3, "cpu-ms")
		})
	}
}

func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(0, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
