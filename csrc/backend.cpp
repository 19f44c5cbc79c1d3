//go:build ignore

// Finds backends: the CPU's is linked in, the others are libraries opened when first asked for.
#include "backend.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace ll4 {

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
  if (!backend || backend->abi_version != LL4_ABI_VERSION ||
      backend->operations_size != sizeof(Operations)) {
    dlclose(library);
    fail(LL4_UNSUPPORTED, "%s is not a backend of this libllama4: build both from the same sources",
         path.c_str());
  }
  return *backend;
}

// Whether `reason`, of the loader, means that there is no such file. For a bare name, which it
// looks for itself, its text is all there is: glibc's and musl's begin so, and one about a library
// that this one needs has that one's name.
bool absent(const std::string &path, const std::string &reason) {
  if (path.find('/') != std::string::npos) return access(path.c_str(), F_OK) != 0;
  return reason.find(path + ": cannot open shared object file: No such file") == 0 ||
         reason.find("Error loading shared library " + path + ": No such file") == 0 ||
         reason.find("dlopen(" + path + ",") == 0;  // macOS, where no backend is built
}

const Backend &open_backend(const std::string &name) {
  for (const std::string &path : candidates(name)) {
    if (void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
      return backend_of(library, path);
    // One that is there and broken is not passed over: another may be of other sources.
    const char *reason = dlerror();
    if (reason && !absent(path, reason)) fail(LL4_UNSUPPORTED, "%s", reason);
  }
  fail(LL4_NO_DEVICE,
       "no libllama4_%s%s in LLAMA4_BACKENDS, beside libllama4 or where libraries are: build it",
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
