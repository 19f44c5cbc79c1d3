package vision_test

import (
	"fmt"
	"log"

	"github.com/llama4go/llama4go/llama4/vision"
)

func ExampleDecode() {
	// 21 x 13 pixels, taken with the camera held upright.
	data, err := vision.ReadFile("testdata/decode/jpeg-orientation6.jpg")
	if err != nil {
		log.Fatal(err)
	}
	p, err := vision.Decode(data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Width, p.Height, len(p.Pix))
	// Output: 13 21 819
}
