package toolcall_test

import (
	"fmt"

	"github.com/llama4go/llama4go/llama4/toolcall"
)

func Example() {
	r := toolcall.Parse(`Let me look. [get_weather(city="Paris", days=(1, 2)), now()]`, toolcall.Options{})
	fmt.Printf("%q\n", r.Content)
	for _, c := range r.Calls {
		fmt.Println(c.Name, string(c.Arguments))
	}
	// Output:
	// "Let me look. "
	// get_weather {"city":"Paris","days":[1,2]}
	// now {}
}

func ExampleParser() {
	p := toolcall.NewParser(toolcall.Options{Tools: []toolcall.Tool{{Name: "get_weather"}}})
	show := func(deltas []toolcall.Delta) {
		for _, d := range deltas {
			switch d.Kind {
			case toolcall.Content:
				fmt.Printf("content %q\n", d.Text)
			case toolcall.Begin:
				fmt.Printf("call %d of %s\n", d.Index, d.Text)
			case toolcall.Arguments:
				fmt.Printf("  %s\n", d.Text)
			case toolcall.End:
				fmt.Printf("end, incomplete: %t\n", d.Incomplete)
			}
		}
	}
	for _, piece := range []string{"Hm", ". [get", "_weather(", `city="Pa`, `ris", days`, "=3)]"} {
		show(p.Feed(piece))
	}
	show(p.Flush())
	// Output:
	// content "Hm"
	// content ". "
	// call 0 of get_weather
	//   {"city":"Pa
	//   ris"
	//   ,"days":3}
	// end, incomplete: false
}
