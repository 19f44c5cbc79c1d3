package sample

// history counts tokens for the penalties. The list keeps the order in which they
// came, so that nothing depends on the order of a map.
type history struct {
	prompt bool // the prompt matters
	answer bool // the answer matters
	slot   map[int32]int
	tokens []counted
}

// counted is a token and how often it stands in the answer; 0 when it stands in
// the prompt alone.
type counted struct {
	id    int32
	count int32
}

func newHistory(p Params) history {
	h := history{prompt: p.RepetitionPenalty != 1}
	h.answer = h.prompt || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
	if h.answer {
		h.slot = make(map[int32]int)
	}
	return h
}

func (h *history) add(id, times int32) {
	i, ok := h.slot[id]
	if !ok {
		i = len(h.tokens)
		h.slot[id] = i
		h.tokens = append(h.tokens, counted{id: id})
	}
	h.tokens[i].count += times
}
