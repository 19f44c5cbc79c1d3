package main

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"os"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/iterm2"
	"github.com/charmbracelet/x/ansi/kitty"
	"github.com/charmbracelet/x/ansi/sixel"
	"golang.org/x/sys/unix"

	"github.com/llama4go/llama4go/llama4/vision"
)

// A picture takes at most this much of a terminal.
const (
	pictureColumns, pictureRows     = 40, 15
	pictureWidth, pictureHeight     = 800, 600 // pixels: bounds the bytes that are written
	usualCellWidth, usualCellHeight = 10, 20   // of a terminal that does not tell
)

// window is a terminal's size in cells, and a cell's in pixels.
type window struct{ columns, rows, cellWidth, cellHeight int }

// windowOf returns the size of a terminal, and what is usual for what it leaves out.
func windowOf(out *os.File) window {
	size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		size = &unix.Winsize{}
	}
	return newWindow(size)
}

func newWindow(size *unix.Winsize) window {
	w := window{columns: int(size.Col), rows: int(size.Row), cellWidth: usualCellWidth, cellHeight: usualCellHeight}
	if w.columns == 0 || w.rows == 0 {
		w.columns, w.rows = 80, 24
	}
	const least, most = 3, 200 // pixels of a cell that can be read
	width, height := int(size.Xpixel)/w.columns, int(size.Ypixel)/w.rows
	if min(width, height) >= least && max(width, height) <= most {
		w.cellWidth, w.cellHeight = width, height
	}
	return w
}

// room returns the pixels that a picture may take.
func (w window) room() (width, height int) {
	columns, rows := min(pictureColumns, w.columns), min(pictureRows, w.rows)
	return min(columns*w.cellWidth, pictureWidth), min(rows*w.cellHeight, pictureHeight)
}

// cells returns one side of a picture in cells, the one that takes more of the room,
// and 0 for the other, which follows from it.
func (w window) cells(width, height int) (columns, rows int) {
	roomWidth, roomHeight := w.room()
	if width*roomHeight >= height*roomWidth {
		return (width + w.cellWidth - 1) / w.cellWidth, 0
	}
	return 0, (height + w.cellHeight - 1) / w.cellHeight
}

// fit scales a size down to the room for it. What is tiny becomes whole times larger,
// up to half of the room.
func fit(width, height, roomWidth, roomHeight int) (w, h int) {
	if width <= roomWidth && height <= roomHeight {
		times := max(1, min(roomWidth/(2*width), roomHeight/(2*height)))
		return times * width, times * height
	}
	if width*roomHeight >= height*roomWidth {
		return roomWidth, max(1, (height*roomWidth+width/2)/width)
	}
	return max(1, (width*roomHeight+height/2)/height), roomHeight
}

// resized returns a picture in another size: a pixel is the mean of those that it
// stands for. It reads each pixel once and keeps no other copy of them.
func resized(p *vision.RGB, width, height int) *image.RGBA {
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		top, bottom := span(y, height, p.Height)
		for x := range width {
			left, right := span(x, width, p.Width)
			var sum [3]int
			for row := top; row < bottom; row++ {
				pix := p.Pix[3*(row*p.Width+left) : 3*(row*p.Width+right)]
				for ; len(pix) >= 3; pix = pix[3:] {
					sum[0] += int(pix[0])
					sum[1] += int(pix[1])
					sum[2] += int(pix[2])
				}
			}
			n := (bottom - top) * (right - left)
			at := to.Pix[to.PixOffset(x, y):]
			at[0], at[1], at[2], at[3] = byte((sum[0]+n/2)/n), byte((sum[1]+n/2)/n), byte((sum[2]+n/2)/n), 0xff
		}
	}
	return to
}

// span returns which of so many source pixels pixel i of n stands for, at least one.
func span(i, n, source int) (from, to int) {
	from = i * source / n
	return from, max(from+1, (i+1)*source/n)
}

// drawPicture returns what makes a terminal show a picture at the cursor.
func drawPicture(p *vision.RGB, protocol string, w window) ([]byte, error) {
	roomWidth, roomHeight := w.room()
	width, height := fit(p.Width, p.Height, roomWidth, roomHeight)
	m := resized(p, width, height)
	columns, rows := w.cells(width, height)
	switch protocol {
	case picturesKitty:
		return drawKitty(m, columns, rows)
	case picturesITerm2:
		return drawITerm2(m, columns, rows)
	}
	return drawSixel(m)
}

func drawKitty(m image.Image, columns, rows int) ([]byte, error) {
	var out bytes.Buffer
	err := kitty.EncodeGraphics(&out, m, &kitty.Options{
		Action: kitty.TransmitAndPut, Transmission: kitty.Direct, Format: kitty.PNG, Chunk: true,
		Columns: columns, Rows: rows,
		Quiet: 2, // an answer would be taken for keys
	})
	return out.Bytes(), err
}

func drawITerm2(m image.Image, columns, rows int) ([]byte, error) {
	var data bytes.Buffer
	if err := png.Encode(&data, m); err != nil {
		return nil, err
	}
	f := iterm2.File{
		Inline: true, Size: int64(data.Len()), Width: iterm2.Auto, Height: iterm2.Auto,
		Content: base64.StdEncoding.AppendEncode(nil, data.Bytes()),
	}
	if columns > 0 {
		f.Width = iterm2.Cells(columns)
	} else {
		f.Height = iterm2.Cells(rows)
	}
	return []byte(ansi.ITerm2(f)), nil
}

func drawSixel(m image.Image) ([]byte, error) {
	var data bytes.Buffer
	if err := (&sixel.Encoder{}).Encode(&data, m); err != nil {
		return nil, err
	}
	return []byte(ansi.SixelGraphics(0, 1, 0, data.Bytes())), nil
}
