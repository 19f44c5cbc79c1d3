#include "report.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace ll4::simt {

namespace {

// What of this library is loaded and cannot be written.
struct Library {
  uintptr_t base = 0;
  std::vector<std::pair<uintptr_t, uintptr_t>> constants;
};

Library find_library() {
  Library found;
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        Library here;
        here.base = info->dlpi_addr;
        bool inside = false;
        const auto self = reinterpret_cast<uintptr_t>(&find_library);
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto &segment = info->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD) continue;
          const uintptr_t begin = here.base + segment.p_vaddr, end = begin + segment.p_memsz;
          inside = inside || (self >= begin && self < end);
          if (!(segment.p_flags & PF_W)) here.constants.emplace_back(begin, end);
        }
        if (inside) *static_cast<Library *>(data) = std::move(here);
        return inside ? 1 : 0;
      },
      &found);
  return found;
}

const Library &library() {
  static const Library found = find_library();
  return found;
}

// Lines of addr2line: function and place of each inlined frame, the innermost first.
std::vector<std::string> frames_at(uintptr_t address) {
  Dl_info info{};
  std::vector<std::string> lines;
  if (!dladdr(reinterpret_cast<const void *>(address), &info) || !info.dli_fname) return lines;
  char command[1024];
  std::snprintf(
      command, sizeof command, "addr2line -e '%s' -f -C -i 0x%llx 2>/dev/null", info.dli_fname,
      static_cast<unsigned long long>(address - reinterpret_cast<uintptr_t>(info.dli_fbase)));
  FILE *pipe = popen(command, "r");
  if (!pipe) return lines;
  char line[4096];
  while (std::fgets(line, sizeof line, pipe)) {
    line[std::strcspn(line, "\n")] = 0;
    lines.emplace_back(line);
  }
  pclose(pipe);
  return lines;
}

bool holds(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

std::string short_path(std::string path) {
  const size_t note = path.find(" (");  // what addr2line adds
  if (note != std::string::npos) path.resize(note);
  const size_t at = path.rfind("/cuda/");
  return at == std::string::npos ? path : path.substr(at + 1);
}

std::string source_of(const void *return_address) {
  static std::mutex mutex;
  static std::map<uintptr_t, std::string> known;
  const uintptr_t address = reinterpret_cast<uintptr_t>(return_address) - 1;
  std::lock_guard<std::mutex> lock(mutex);
  std::string &text = known[address];
  if (!text.empty()) return text;
  const std::vector<std::string> frames = frames_at(address);
  // The innermost line of a kernel; what it calls from headers is not for its author to mend.
  for (size_t i = 1; i < frames.size(); i += 2) {
    const std::string place = short_path(frames[i]);
    if (text.empty()) text = place;
    if (holds(place, "/common/") || holds(frames[i], "/include/")) continue;
    text = place;
    break;
  }
  if (text.empty() || text[0] == '?') {
    char offset[64];
    std::snprintf(offset, sizeof offset, "libllama4_simt+0x%llx",
                  static_cast<unsigned long long>(address - library().base));
    text = offset;
  }
  return text;
}

std::string function_at(const void *address) {
  const std::vector<std::string> frames = frames_at(reinterpret_cast<uintptr_t>(address));
  if (frames.size() < 2 || frames[frames.size() - 2] == "??") return "kernel";
  std::string name = frames[frames.size() - 2];  // the outermost
  // Without the parameters, which may have parentheses of their own.
  int depth = 0;
  for (size_t i = name.size(); i-- > 0;) {
    if (name[i] == ')') depth++;
    if (name[i] == '(' && --depth == 0) {
      if (i > 0) name.resize(i);
      break;
    }
  }
  return name;
}

bool is_constant(const void *address) {
  const auto p = reinterpret_cast<uintptr_t>(address);
  for (const auto &[begin, end] : library().constants)
    if (p >= begin && p < end) return true;
  return false;
}

}  // namespace ll4::simt
