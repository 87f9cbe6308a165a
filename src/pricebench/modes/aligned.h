// Included before everything else when a package is compiled: its weights start on a cache line.
//
// AOTInductor lays each weight on a multiple of 64 bytes from the start of a block, and takes that block from malloc,
// which promises 16 (torch 2.15, aoti_runtime/model_base.h, RAII_cpuMalloc). Three times of four each row of weights then
// straddles two cache lines, and one house takes half as long again. docs/log.md has the figures.

#ifdef __cplusplus  // the weights themselves are assembled with the same options
#include <cstdlib>
#include <malloc.h>

inline void* pricebench_aligned(std::size_t num_bytes) { return std::aligned_alloc(64, (num_bytes + 63) / 64 * 64); }

namespace std {
using ::pricebench_aligned;
}

#define malloc pricebench_aligned
#endif
