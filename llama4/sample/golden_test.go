package sample

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// number is a JSON number, or "-inf".
type number float64

func (n *number) UnmarshalJSON(raw []byte) error {
	v, err := strconv.ParseFloat(string(bytes.Trim(raw, `"`)), 64)
	*n = number(v)
	return err
}

// golden is a case of testdata/goldens.py.
type golden struct {
	Name   string
	Logits []number
	Params struct {
		Temperature, TopP, Repetition *float64
		MinP, Presence, Frequency     float64
		TopK                          int
		Bias                          [][2]number
	}
	Prompt, Answer []int32
	Greedy         *int32
	Kept           []int32
	Probs          []float64
	CutTies        bool
}

// UnmarshalJSON reads the reference's names, which have underscores.
func (g *golden) UnmarshalJSON(raw []byte) error {
	type plain golden
	for _, name := range []string{"top_p", "top_k", "min_p", "cut_ties"} {
		raw = bytes.ReplaceAll(raw, []byte(`"`+name+`"`), bytes.ReplaceAll([]byte(`"`+name+`"`), []byte("_"), nil))
	}
	return json.Unmarshal(raw, (*plain)(g))
}

func (g *golden) logits() []float32 {
	logits := make([]float32, len(g.Logits))
	for i, x := range g.Logits {
		logits[i] = float32(x)
	}
	return logits
}

func (g *golden) sampler(t *testing.T) *Sampler {
	p := Default()
	p.Temperature = 1
	for from, to := range map[*float64]*float64{
		g.Params.Temperature: &p.Temperature, g.Params.TopP: &p.TopP, g.Params.Repetition: &p.RepetitionPenalty,
	} {
		if from != nil {
			*to = *from
		}
	}
	p.TopK, p.MinP = g.Params.TopK, g.Params.MinP
	p.PresencePenalty, p.FrequencyPenalty = g.Params.Presence, g.Params.Frequency
	p.LogitBias = make(map[int32]float64)
	for _, b := range g.Params.Bias {
		p.LogitBias[int32(b[0])] = float64(b[1])
	}
	s, err := New(p, len(g.Logits))
	require.NoError(t, err)
	s.ObservePrompt(g.Prompt...)
	for _, id := range g.Answer {
		s.Observe(id)
	}
	return s
}

func readGoldens(t *testing.T) []golden {
	raw, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var goldens []golden
	require.NoError(t, json.Unmarshal(raw, &goldens))
	return goldens
}

func TestNextEqualsReference(t *testing.T) {
	for _, g := range readGoldens(t) {
		t.Run(g.Name, func(t *testing.T) {
			s := g.sampler(t)
			id, err := s.Next(g.logits())
			require.NoError(t, err)
			if g.Greedy != nil {
				require.Equal(t, *g.Greedy, id)
				return
			}
			ids, probs := kept(s)
			require.Contains(t, ids, id)
			g.dropUnseen()
			if g.CutTies {
				require.Len(t, ids, len(g.Kept))
				slices.Sort(probs)
				slices.Sort(g.Probs)
			} else {
				require.Equal(t, g.Kept, ids)
			}
			// The reference rounds scores to float32: with scores up to 256 that is
			// 256 * 2^-24 each, and the difference of two is the relative error of their
			// probabilities. The softmax and seven printed digits add less than 2e-6.
			const tolerance = 2*256.0/(1<<24) + 2e-6
			for i, p := range probs {
				require.InEpsilon(t, g.Probs[i], p, tolerance, "token %d", ids[i])
			}
		})
	}
}

// unseenProb is below the resolution of a draw: the sampler may leave out tokens of
// this probability, and the reference keeps them.
const unseenProb = 1.0 / (1 << 53)

func (g *golden) dropUnseen() {
	var ids []int32
	var probs []float64
	for i, p := range g.Probs {
		if p >= unseenProb {
			ids, probs = append(ids, g.Kept[i]), append(probs, p)
		}
	}
	g.Kept, g.Probs = ids, probs
}

// kept returns the tokens left in the last step and their probabilities.
func kept(s *Sampler) (ids []int32, probs []float64) {
	total := 0.0
	for _, c := range s.kept {
		total += c.mass
	}
	for _, c := range s.kept {
		if p := c.mass / total; p >= unseenProb {
			ids, probs = append(ids, c.id), append(probs, p)
		}
	}
	return ids, probs
}

// The goldens must hold what they are for, so that a new version of the script does
// not lose it.
func TestGoldensCoverRules(t *testing.T) {
	var ties, banned, greedy, filtered int
	for _, g := range readGoldens(t) {
		if g.CutTies {
			ties++
		}
		if g.Greedy != nil {
			greedy++
		}
		if len(g.Kept) > 1 && len(g.Kept) < len(g.Logits) {
			filtered++
		}
		for _, b := range g.Params.Bias {
			if math.IsInf(float64(b[1]), -1) {
				banned++
				break
			}
		}
	}
	require.Greater(t, ties, 5)
	require.Greater(t, banned, 5)
	require.Greater(t, greedy, 3)
	require.Greater(t, filtered, 30)
}
