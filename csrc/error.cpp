//go:build ignore

// What backend libraries share with libllama4: each links its own copy.
#include <cstdarg>
#include <cstdio>

#include "backend.h"

namespace ll4 {

void fail(ll4_status code, const char *format, ...) {
  char text[sizeof(ll4_error::message)];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  throw Error(code, text);
}

}  // namespace ll4
