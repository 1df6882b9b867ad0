// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// Blocks of queries and keys: scores, their running maximum and the sum of exponentials stay in scratch,
// no matrix of scores reaches memory. Two query heads share the one head of keys.
// CHECK: func.func private @{{attention_[0-9a-f]+}}(tensor<1x2x5x16xf32>, tensor<1x1x7x16xf32>, tensor<1x1x7x16xf32>) -> tensor<1x2x5x16xf32>
// CHECK: "memref.alloca"() {{.*}} -> memref<12x16xf32>
// CHECK: %[[Q:.*]] = stream.binding.subspan {{.*}} -> memref<1x2x5x16xf32>
// CHECK: %[[K:.*]] = stream.binding.subspan {{.*}} -> memref<1x1x7x16xf32>
// CHECK: %[[V:.*]] = stream.binding.subspan {{.*}} -> memref<1x1x7x16xf32>
// CHECK: vector.load %[[Q]]
// CHECK: vector.load %[[K]]
// CHECK: vector.load %[[V]]
// CHECK: vector.fma
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// CHECK: arith.divf
func.func @main(%q: tensor<1x2x5x16xf32>, %k: tensor<1x1x7x16xf32>, %v: tensor<1x1x7x16xf32>) -> tensor<1x2x5x16xf32> {
  %0 = "sem.attention"(%q, %k, %v) {scale = 0.25 : f32, is_causal = true, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>} : (tensor<1x2x5x16xf32>, tensor<1x1x7x16xf32>, tensor<1x1x7x16xf32>) -> tensor<1x2x5x16xf32>
  return %0 : tensor<1x2x5x16xf32>
}
