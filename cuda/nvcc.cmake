# libllama4_cuda: the kernels' sources compiled by nvcc, a command a source, and linked by the host
# compiler. CMake's own CUDA language is not used: it asks more of a toolkit than the parts from PyPI
# have, and no device code is linked across files.
set(LL4_CUDA_ARCHITECTURES "80;86;89;90a;100a;120" CACHE STRING
  "GPU architectures to compile for; PTX of the oldest and of the newest serves all others")
set(LL4_CUDA_TOOLKIT "" CACHE PATH
  "root of a CUDA toolkit, 13.0 or newer; empty: cuda/toolkit.sh finds one or fetches it")

if(NOT LL4_CUDA_TOOLKIT)
  execute_process(COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/toolkit.sh ${CMAKE_BINARY_DIR}/cuda-toolkit
    OUTPUT_VARIABLE toolkit OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "LL4_CUDA is ON, and there is no CUDA toolkit")
  endif()
  set_property(CACHE LL4_CUDA_TOOLKIT PROPERTY VALUE ${toolkit})
endif()
message(STATUS "CUDA toolkit: ${LL4_CUDA_TOOLKIT}")
set(nvcc ${LL4_CUDA_TOOLKIT}/bin/nvcc)
find_library(LL4_CUDART cudart_static PATHS ${LL4_CUDA_TOOLKIT} NO_DEFAULT_PATH REQUIRED
  PATH_SUFFIXES lib lib64 targets/x86_64-linux/lib targets/sbsa-linux/lib)

# Machine code of an 'a' architecture runs on that one alone, other code also on later ones of its
# generation. PTX is compiled by the driver for what is left: the oldest where the newest is too new.
set(plain ${LL4_CUDA_ARCHITECTURES})
list(FILTER plain EXCLUDE REGEX "[a-z]$")
set(ptx)
if(plain)
  list(SORT plain COMPARE NATURAL)
  list(GET plain 0 oldest)
  list(GET plain -1 newest)
  set(ptx ${oldest} ${newest})
endif()
set(targets)
foreach(arch IN LISTS LL4_CUDA_ARCHITECTURES)
  if(arch IN_LIST ptx)
    list(APPEND targets -gencode arch=compute_${arch},code=[compute_${arch},sm_${arch}])
  else()
    list(APPEND targets -gencode arch=compute_${arch},code=sm_${arch})
  endif()
endforeach()

# No fast math: expf, division and denormals are as the CPU backend has them. Line numbers make the
# code three times as large, compression a fifth of that.
set(flags -std=c++17 -O3 -lineinfo --expt-relaxed-constexpr -Wno-deprecated-gpu-targets
  -compress-mode=size
  -ccbin ${CMAKE_CXX_COMPILER} -Xcompiler=-fPIC,-fvisibility=hidden,-Wall
  -I${CMAKE_SOURCE_DIR}/csrc -DLL4_BACKEND_NAME="cuda" -DNDEBUG)
if(LL4_WERROR)
  list(APPEND flags -Werror all-warnings)
endif()

set(objects)
foreach(source IN LISTS LL4_CUDA_SOURCES)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/nvcc/${source}.o)
  get_filename_component(folder ${object} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${object}
    COMMAND ${nvcc} ${flags} ${targets} -MD -MF ${object}.d
      -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    DEPENDS ${source} ${nvcc} DEPFILE ${object}.d
    COMMENT "nvcc ${source}" VERBATIM)
  list(APPEND objects ${object})
endforeach()
set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)

add_library(llama4_cuda SHARED ${objects} ${CMAKE_SOURCE_DIR}/csrc/error.cpp)
target_include_directories(llama4_cuda PRIVATE ${CMAKE_SOURCE_DIR}/csrc)
target_compile_options(llama4_cuda PRIVATE ${warnings})
# The runtime is linked in, and opens the driver's libcuda itself: without one the library still loads.
target_link_libraries(llama4_cuda PRIVATE ${LL4_CUDART} Threads::Threads ${CMAKE_DL_LIBS} rt)
target_link_options(llama4_cuda PRIVATE -Wl,-z,defs
  -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/backend.map)
set_target_properties(llama4_cuda PROPERTIES CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/backend.map)
