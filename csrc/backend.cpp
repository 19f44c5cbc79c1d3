//go:build ignore

// Finds backends: the CPU's is linked in, the others are libraries opened when first asked for.
#include "backend.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace ll4 {

void fail(ll4_status code, const char *format, ...) {
  char text[sizeof(ll4_error::message)];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  throw Error(code, text);
}

namespace {

#if defined(__APPLE__)
constexpr const char *kSuffix = ".dylib";
#else
constexpr const char *kSuffix = ".so";
#endif

// The folder of the library that holds this very function, so that backends are looked for beside
// it; empty when the loader does not say.
std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void *>(&cpu_backend), &info) == 0 || !info.dli_fname)
    return "";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

std::vector<std::string> candidates(const std::string &name) {
  const std::string file = "libllama4_" + name + kSuffix;
  std::vector<std::string> paths;
  if (const char *folder = std::getenv("LLAMA4_BACKENDS"))
    paths.push_back(std::string(folder) + "/" + file);
  paths.push_back(own_folder() + file);
  paths.push_back(file);
  return paths;
}

const Backend &backend_of(void *library, const std::string &path) {
  auto get = reinterpret_cast<BackendGet>(dlsym(library, "ll4_backend_get"));
  const Backend *backend = get ? get() : nullptr;
  if (!backend || backend->abi_version != LL4_ABI_VERSION) {
    dlclose(library);
    fail(LL4_UNSUPPORTED, "%s is not a backend of ABI version %u: build it from the same sources",
         path.c_str(), LL4_ABI_VERSION);
  }
  return *backend;
}

const Backend &open_backend(const std::string &name) {
  std::string broken;  // why a library that is there could not be opened
  for (const std::string &path : candidates(name)) {
    if (void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
      return backend_of(library, path);
    const char *reason = dlerror();
    if (broken.empty() && reason && access(path.c_str(), F_OK) == 0) broken = reason;
  }
  if (!broken.empty()) fail(LL4_UNSUPPORTED, "%s", broken.c_str());
  fail(LL4_NO_DEVICE,
       "no libllama4_%s%s beside libllama4 or where libraries are: this version comes without it",
       name.c_str(), kSuffix);
}

}  // namespace

const Backend &find_backend(const std::string &name) {
  if (name == "cpu") return cpu_backend();
  if (name != "cuda" && name != "simt")
    fail(LL4_NO_DEVICE, "unknown device '%s': use cpu, cuda, cuda:N or simt", name.c_str());
  // Libraries stay open for the life of the process: kernels and devices refer to their code.
  static std::mutex mutex;
  static std::map<std::string, const Backend *> opened;
  std::lock_guard<std::mutex> lock(mutex);
  const Backend *&backend = opened[name];
  if (!backend) backend = &open_backend(name);
  return *backend;
}

}  // namespace ll4
