/* core.c - the part of libcuda.a that is written by hand; generate.py adds one
 * trampoline a function.
 *
 * gorgonia.org/cu links libcuda, and its init() ends the process where cuInit
 * fails. Linked with this archive instead, a program starts without a driver:
 * cuInit opens the driver's library, keeps the real status to itself and returns
 * success, and every other function returns that status until it is success. */
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>

static void *library;
static CUresult status = CUDA_ERROR_NOT_INITIALIZED;
static char problem[512];

/* Why libcuda could not be opened, in the system's words; "" if it was. */
const char *llama4_cuda_problem(void) { return problem; }

CUresult cuInit(unsigned int flags) {
  if (!library) library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *message = dlerror();
    snprintf(problem, sizeof problem, "%s", message ? message : "dlopen failed");
    status = CUDA_ERROR_NO_DEVICE;
    return CUDA_SUCCESS;
  }
  problem[0] = '\0';
  CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))dlsym(library, "cuInit");
  status = init ? init(flags) : CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND;
  return CUDA_SUCCESS;
}

/* Looks a function up once. Threads that do so at the same time find the same. */
static CUresult find(const char *name, void **entry) {
  if (status != CUDA_SUCCESS) return status;
  if (__atomic_load_n(entry, __ATOMIC_ACQUIRE)) return CUDA_SUCCESS;
  void *found = dlsym(library, name);
  if (!found) return CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND;
  __atomic_store_n(entry, found, __ATOMIC_RELEASE);
  return CUDA_SUCCESS;
}
