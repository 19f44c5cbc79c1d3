# The emulator: the kernels' sources as C++, with a call before every access to memory that may be
# shared. Those calls are ThreadSanitizer's; the emulator answers them, and its library is not linked.
set(simt_sources ${LL4_CUDA_SOURCES})
list(TRANSFORM simt_sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
# Sibling calls would hide the line of an access that ends a kernel.
set(instrument -x c++ -fsanitize=thread -fno-optimize-sibling-calls)
# A fiber's stack is small, hence the limit on frames.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND instrument --param=tsan-instrument-func-entry-exit=0 -Werror=frame-larger-than=49152)
else()
  list(APPEND instrument -mllvm -tsan-instrument-func-entry-exit=0
    -mllvm -tsan-instrument-read-before-write=1
    -Wframe-larger-than=49152 -Werror=frame-larger-than=)
endif()
set_source_files_properties(${simt_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${instrument}")
# It has no kernels, and atomics, which the emulator has no hooks for.
set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/device.cu PROPERTIES COMPILE_OPTIONS "-x;c++")

add_library(simt_runtime OBJECT
  simt/block.cpp
  simt/checks.cpp
  simt/collectives.cpp
  simt/device_memory.cpp
  simt/fiber.cpp
  simt/report.cpp
  simt/runtime.cpp
  simt/shadow.cpp
  ${CMAKE_SOURCE_DIR}/csrc/cpu/pool.cpp)
target_include_directories(simt_runtime PUBLIC simt/include ${CMAKE_SOURCE_DIR}/csrc)
# Line numbers, for reports. A product is not fused with a sum, as in the CPU backend; where it may
# be, products of bf16 are exact.
target_compile_options(simt_runtime PUBLIC ${warnings} -g1 -ffp-contract=off -Wno-unknown-pragmas)
set_source_files_properties(simt/collectives.cpp PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
set_target_properties(simt_runtime PROPERTIES POSITION_INDEPENDENT_CODE ON
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

add_library(llama4_simt SHARED ${simt_sources} ${CMAKE_SOURCE_DIR}/csrc/error.cpp)
target_compile_definitions(llama4_simt PRIVATE LL4_BACKEND_NAME="simt")
target_link_libraries(llama4_simt PRIVATE simt_runtime Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(llama4_simt PRIVATE -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/backend.map)
set_target_properties(llama4_simt PROPERTIES CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/backend.map)

enable_testing()
foreach(name broken fragments narrow right streams)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/simt/test/${name}_test.cu)
  set_source_files_properties(${source} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${instrument}")
  add_executable(simt_${name}_test ${source})
  target_link_libraries(simt_${name}_test PRIVATE simt_runtime Threads::Threads ${CMAKE_DL_LIBS})
  add_test(NAME simt_${name} COMMAND simt_${name}_test)
endforeach()
