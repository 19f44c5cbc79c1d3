# Everything that is built, tested and measured here. `make` alone lists the targets.

# ---- settings: make TARGET NAME=value ----

# cmake -D options for build/, such as -DLL4_WERROR=ON
CMAKE_FLAGS ?=
# `make mutate`: an operation, such as attention; empty for all
ONLY ?=
# `make gpu-bundle`: the folder of the libraries to pack
GPU_LIB ?= build/lib
# go test options, such as -short or -run
GO_TEST_FLAGS ?=
# where `make install` puts things; DESTDIR is honoured
PREFIX ?= /usr/local
LIBDIR ?= lib
# how long `make fuzz` runs each target, and which ones
FUZZTIME ?= 10s
FUZZ ?= .
# `make bench`: which Go benchmarks, where, how often, and the file for `make compare`
BENCH ?= .
BENCH_PACKAGES ?= ./bench/...
COUNT ?= 1
OUT ?= build/bench.txt
# `make compare`: two files of `make bench`
OLD ?=
NEW ?=

JOBS := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
GENERATOR := $(shell command -v ninja >/dev/null 2>&1 && echo -G Ninja || echo -G \"Unix Makefiles\")
TOOL := go tool -modfile=.tools/go.mod
TOKENIZER := llama4/tokenizer/testdata/fetch_tokenizer.sh

# Headers of dependencies mark functions as deprecated, which is not for users of this to read.
export CGO_CFLAGS := $(or $(CGO_CFLAGS),-O2 -g) -Wno-deprecated-declarations
# What is tested is the library built here. Make's own flags are not for the make that CMake runs.
unexport LLAMA4_LIB MAKEFLAGS

# $(call cmake,FOLDER,OPTIONS) configures a build folder once and builds it.
define cmake
@if [ ! -f $(1)/build.ninja ] && [ ! -f $(1)/Makefile ]; then \
  cmake -S . -B $(1) $(GENERATOR) --log-level=WARNING $(2) $(CMAKE_FLAGS); \
elif [ -n "$(CMAKE_FLAGS)" ]; then cmake --log-level=WARNING $(CMAKE_FLAGS) $(1); fi
@MAKEFLAGS=--no-print-directory cmake --build $(1) --parallel $(JOBS)
endef

.DEFAULT_GOAL := help

# ---- build ----

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: check-tools
check-tools:
	@.ci/check-tools

.PHONY: lib
lib: check-tools ## build the C library into build/lib
	$(call cmake,build,-DCMAKE_BUILD_TYPE=Release)

.PHONY: cuda
cuda: lib ## build libllama4_cuda with nvcc, fetched if there is none, and hold its kernels to their budget
	$(call cmake,build-cuda,-DCMAKE_BUILD_TYPE=Release -DLL4_CUDA=ON -DLL4_SIMT=OFF)
	@cp build-cuda/lib/libllama4_cuda.so build/lib/
	@cuda/resources/check.py build-cuda/lib/libllama4_cuda.so \
	  --toolkit "$$(sed -n 's/^LL4_CUDA_TOOLKIT:PATH=//p' build-cuda/CMakeCache.txt)"

.PHONY: build
build: lib ## build the library and bin/llama4
	@go build -o bin/ ./cmd/llama4

.PHONY: demo
demo: build ## build everything and let the built-in model tell a story
	@bin/llama4 generate "Tell me a story about a fox."

.PHONY: install
install: $(if $(wildcard bin/llama4),,build) ## install what was built under PREFIX (/usr/local)
	@cmake --log-level=WARNING -DCMAKE_INSTALL_PREFIX="$(PREFIX)" -DCMAKE_INSTALL_LIBDIR="$(LIBDIR)" build
	@DESTDIR="$(DESTDIR)" cmake --install build
	@mkdir -p "$(DESTDIR)$(PREFIX)/bin"
	@install -m 755 bin/llama4 "$(DESTDIR)$(PREFIX)/bin/llama4"
	@.ci/install-completions bin/llama4 "$(DESTDIR)$(PREFIX)/share"

.PHONY: clean
clean: ## remove everything that was built
	@rm -rf bin build build-asan build-tsan build-arm64 build-cuda

# ---- test ----

.PHONY: test
test: lib ## run every test: C and Go
	@PIP_RETRIES=1 PIP_DEFAULT_TIMEOUT=10 $(TOKENIZER) build/tokenizer || \
	  echo "The tests of the real vocabulary are skipped: there is no build/tokenizer/tokenizer.model."
	@ctest --test-dir build --output-on-failure --parallel $(JOBS)
	@python3 -m unittest discover -q -s cuda/resources
	@go vet ./...
	@go test -count=1 $(GO_TEST_FLAGS) ./...

.PHONY: mutate
mutate: ## remove barriers, waits and checks of the kernels one by one; ONLY=attention picks one
	@JOBS=$(JOBS) cuda/mutate/mutate.py --only "$(ONLY)"

.PHONY: gpu-bundle gpu-check
gpu-bundle: $(if $(filter simt,$(LLAMA4_GPU_CHECK_DEVICE)),lib,cuda) ## make build/gpu-check.sh: checks and measures the kernels on a machine with a GPU
	@cuda/gpu_check/bundle.sh "$(GPU_LIB)" build/gpu-check.sh
gpu-check: gpu-bundle ## make the bundle and run it on this machine's GPU
	@sh build/gpu-check.sh build

.PHONY: fetch-tokenizer
fetch-tokenizer: ## get Llama 4's real vocabulary from PyPI, for tests
	@$(TOKENIZER) build/tokenizer

# The C tests under ThreadSanitizer, the Go tests under Go's race detector: the two do not mix.
.PHONY: race
race: lib ## look for data races in C++ and in Go
	$(call cmake,build-tsan,-DCMAKE_BUILD_TYPE=RelWithDebInfo -DLL4_SANITIZE=thread)
	@ctest --test-dir build-tsan --output-on-failure
	@go test -race -count=1 -short $(GO_TEST_FLAGS) ./...

# Go's own -asan is not used: it slows the Go references by 30 times and finds no more in the library.
.PHONY: asan
asan: check-tools ## look for memory errors and undefined behaviour in the library
	$(call cmake,build-asan,-DCMAKE_BUILD_TYPE=RelWithDebInfo -DLL4_SANITIZE=address$(comma)undefined)
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ctest --test-dir build-asan --output-on-failure
	@if [ "$$(uname -s)" = Linux ]; then \
	  go test -count=1 $(GO_TEST_FLAGS) -exec "'$(CURDIR)/.ci/with-asan' '$(CURDIR)/build-asan/lib'" ./bindings/... ./llama4; \
	else echo "Go programs run under AddressSanitizer on Linux only: the C tests alone ran."; fi
comma := ,

.PHONY: ubsan
ubsan: asan ## the same as asan, which checks for both

.PHONY: fuzz
fuzz: lib ## fuzz each target for FUZZTIME (10s); FUZZ=regexp picks some
	@.ci/fuzz "$(FUZZTIME)" "$(FUZZ)"

.PHONY: cuinterop
cuinterop: lib ## test the sharing of CUDA memory with gorgonia.org/cu, with or without a GPU
	@flags=$$(bindings/cuinterop/setup.sh build/cuinterop) && eval "$$flags" && \
	  go vet -tags cuda ./bindings/cuinterop && \
	  go test -tags cuda -count=1 $(GO_TEST_FLAGS) ./bindings/cuinterop

# The NEON kernels without an arm64 machine: a cross build, run by qemu.
ARM64 := aarch64-linux-gnu
ARM64_RUN := qemu-aarch64 -L /usr/$(ARM64)
.PHONY: arm64
arm64: check-tools ## build for arm64 and run the kernel and model tests in an emulator
	@for tool in $(ARM64)-g++ qemu-aarch64; do command -v $$tool >/dev/null 2>&1 || { \
	  echo "make arm64: no $$tool: apt-get install -y g++-aarch64-linux-gnu qemu-user" >&2; exit 1; }; done
	$(call cmake,build-arm64,-DCMAKE_BUILD_TYPE=Release -DLL4_SIMT=OFF -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	  -DCMAKE_C_COMPILER=$(ARM64)-gcc -DCMAKE_CXX_COMPILER=$(ARM64)-g++ "-DCMAKE_CROSSCOMPILING_EMULATOR=$(subst $(space),;,$(ARM64_RUN))")
	@ctest --test-dir build-arm64 --output-on-failure
	@LLAMA4_LIB="$(CURDIR)/build-arm64/lib" CGO_ENABLED=1 GOARCH=arm64 CC=$(ARM64)-gcc CXX=$(ARM64)-g++ \
	  go test -count=1 -short $(GO_TEST_FLAGS) -exec "$(ARM64_RUN)" ./bindings/optest ./llama4
space := $(subst ,, )

# What an older CPU must not trip over: an instruction that it lacks.
.PHONY: old-x86
old-x86: lib ## run the C tests on emulated x86 CPUs without AVX-512, and without AVX
	@command -v qemu-x86_64 >/dev/null 2>&1 || { echo "make old-x86: no qemu-x86_64: apt-get install -y qemu-user" >&2; exit 1; }
	@for cpu in Nehalem Haswell; do qemu-x86_64 -cpu $$cpu build/abi_test || exit 1; done

# ---- measure ----

.PHONY: bench
bench: build ## measure kernels and models: BENCH=regexp COUNT=n OUT=file
	@mkdir -p "$(dir $(OUT))" && rm -f "$(OUT).failed"
	@{ go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 0 $(BENCH_PACKAGES) || \
	  touch "$(OUT).failed"; } | tee "$(OUT)"
	@[ ! -f "$(OUT).failed" ] || { rm -f "$(OUT).failed"; exit 1; }
	@bin/llama4 bench

.PHONY: compare
compare: ## compare two files of `make bench COUNT=10`: OLD=file NEW=file
	@[ -f "$(OLD)" ] && [ -f "$(NEW)" ] || { \
	  echo "make compare: OLD= and NEW= name two files of make bench COUNT=10 OUT=file" >&2; exit 2; }
	@$(TOOL) benchstat "$(OLD)" "$(NEW)"

# ---- style ----

.PHONY: lint lint-c lint-sh lint-go
lint: lint-c lint-sh lint-go ## check format and style: clang-format, shellcheck, golangci-lint
lint-c:
	@.ci/c-format --dry-run -Werror
lint-sh:
	@if ! command -v shellcheck >/dev/null 2>&1; then echo "shellcheck is not here: scripts are not checked."; \
	else find . \( -name '*.sh' -o -path './.ci/*' \) -type f ! -path './build*' -exec shellcheck {} +; fi
lint-go: check-tools
	@$(TOOL) golangci-lint run

.PHONY: fmt
fmt: check-tools ## format Go, C and C++
	@.ci/c-format -i
	@$(TOOL) golangci-lint fmt
