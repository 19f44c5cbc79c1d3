package vision

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// tileGoldens is what testdata/tiles/goldens.py writes; its head says what is what.
type tileGoldens struct {
	Fits []struct {
		Size        int      `json:"size"`
		MaxPatches  int      `json:"max_patches"`
		ResizeToMax bool     `json:"resize_to_max_canvas"`
		Some        [][6]int `json:"some"`
		All         []string `json:"all"`
	} `json:"fits"`
	Pictures []struct {
		Size          int `json:"size"`
		MaxPatches    int `json:"max_patches"`
		Width, Height int
		Seed, Kind    int
		Rows, Columns int
		SHA256        string `json:"sha256"`
	} `json:"pictures"`
	Normalized []struct {
		Rescale   float64 `json:"rescale"`
		Mean, Std [3]float64
		Bits      [3][256]uint16 `json:"bits"`
	} `json:"normalized"`
}

func readTileGoldens(t *testing.T) (g tileGoldens) {
	t.Helper()
	f, err := os.Open("testdata/tiles/goldens.json.gz")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	return g
}

func settingsOf(size, maxPatches int) *Settings {
	s := Default()
	s.Size, s.MaxPatches = size, maxPatches
	return s
}

// Canvas and resized size of chosen sizes, and of every size up to 1400 x 1400.
func TestCanvasGoldens(t *testing.T) {
	for _, g := range readTileGoldens(t).Fits {
		s := settingsOf(g.Size, g.MaxPatches)
		s.ResizeToMaxCanvas = g.ResizeToMax
		for _, want := range g.Some {
			rows, columns := s.Canvas(want[0], want[1])
			width, height := s.fit(want[0], want[1], rows, columns)
			require.Equal(t, want, [6]int{want[0], want[1], rows, columns, width, height})
		}
		blocks := g.All
		if testing.Short() {
			blocks = blocks[:1]
		}
		side := 100 * len(g.All) // heights are in blocks of 100
		for block, want := range blocks {
			var numbers []byte
			for height := 100*block + 1; height <= 100*block+100; height++ {
				for width := 1; width <= side; width++ {
					rows, columns := s.Canvas(width, height)
					w, h := s.fit(width, height, rows, columns)
					for _, n := range []int{rows, columns, w, h} {
						numbers = binary.LittleEndian.AppendUint16(numbers, uint16(n))
					}
				}
			}
			sum := sha256.Sum256(numbers)
			require.Equal(t, want, hex.EncodeToString(sum[:]), "size %d, heights from %d on", g.Size, 100*block+1)
		}
	}
}

// The tiles of pictures of noise, byte by byte.
func TestTilesGoldens(t *testing.T) {
	for _, g := range readTileGoldens(t).Pictures {
		tiles := settingsOf(g.Size, g.MaxPatches).Tiles(picture(g.Width, g.Height, g.Seed, g.Kind))
		require.Equal(t, [2]int{g.Rows, g.Columns}, [2]int{tiles.Rows, tiles.Columns})
		require.Len(t, tiles.Pix, tiles.Count()*3*g.Size*g.Size)
		sum := sha256.Sum256(tiles.Pix)
		require.Equal(t, g.SHA256, hex.EncodeToString(sum[:]), "%+v", g)
	}
}

func TestNormalizedGoldens(t *testing.T) {
	for _, g := range readTileGoldens(t).Normalized {
		s := &Settings{Rescale: g.Rescale, Mean: g.Mean, Std: g.Std}
		require.Equal(t, g.Bits, s.Normalized())
	}
}
