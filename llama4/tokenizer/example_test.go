package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/llama4go/llama4go/llama4/tokenizer"
)

func open() *tokenizer.Tokenizer {
	t, err := tokenizer.Open("testdata/demo_tokenizer.json")
	if err != nil {
		log.Fatal(err)
	}
	return t
}

func ExampleTokenizer_Encode() {
	t := open()
	ids := t.Encode("The end.")
	for _, id := range ids {
		fmt.Printf("%d %q\n", id, t.Token(id))
	}
	fmt.Println(t.Decode(ids))
	// Output:
	// 411 "The"
	// 220 " "
	// 320 "end"
	// 13 "."
	// The end.
}

func ExampleTokenizer_EncodeSpecial() {
	t := open()
	fmt.Println(len(t.Encode("<|eot|>")), t.EncodeSpecial("<|eot|>"))
	// Output:
	// 6 [753]
}

func ExampleTokenizer_SplitSpecial() {
	for p := range open().SplitSpecial("<|header_start|>user<|header_end|>\n\nHi!<|eot|>") {
		fmt.Printf("%d %q\n", p.ID, p.Text)
	}
	// Output:
	// 750 "<|header_start|>"
	// -1 "user"
	// 751 "<|header_end|>"
	// -1 "\n\nHi!"
	// 753 "<|eot|>"
}

func ExampleDecoder() {
	t := open()
	d := tokenizer.NewDecoder(t)
	for _, id := range t.EncodeSpecial("tiny 😀<|eot|>") {
		fmt.Printf("%q ", d.Next(id))
	}
	fmt.Printf("%q\n", d.Flush())
	// Output:
	// "t" "in" "y" " " "" "" "" "😀" "" ""
}
