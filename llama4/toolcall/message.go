package toolcall

import (
	"encoding/json"

	"github.com/llama4go/llama4go/llama4/chat"
)

// Message returns the answer as the assistant's turn of a conversation, its calls in Hugging Face's form. Incomplete calls
// are left out.
func (r Result) Message() chat.Message {
	m := chat.Message{Role: "assistant", Content: chat.Text(r.Content)}
	for _, c := range r.Calls {
		if !c.Incomplete {
			m.ToolCalls = append(m.ToolCalls, c.entry())
		}
	}
	return m
}

// entry returns the call as an entry of tool_calls.
func (c Call) entry() json.RawMessage {
	name, _ := json.Marshal(c.Name) // strings always marshal
	return json.RawMessage(`{"type":"function","function":{"name":` + string(name) + `,"arguments":` + string(c.Arguments) + `}}`)
}

// Reply returns the turn that answers the call. The content is a text or, in its field JSON, any JSON value.
func (c Call) Reply(content chat.Content) chat.Message {
	return chat.Message{Role: "tool", Name: c.Name, Content: content}
}
