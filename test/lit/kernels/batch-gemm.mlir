// RUN: noema opt %s --passes fuse --kernels x86-64-v4 --split-input-file | FileCheck %s

// B, transposed and without A's first batch dimension, is packed into scratch by squares of registers,
// which are turned; its last columns repeat the last one there is. The product takes what is added.
// CHECK: call @[[K:batch_gemm_[0-9a-f]+]](%arg0, %arg1, %arg2)
// CHECK: 2·3·10×16×24 f32, B transposed, epilogue residual
// CHECK: stream.executable private @[[K]] {
// CHECK: %[[S:.*]] = "memref.alloca"() {{.*}} -> memref<16x32xf32>
// CHECK: %[[A:.*]] = stream.binding.subspan {{.*}} -> memref<2x3x10x16xf32>
// CHECK: %[[B:.*]] = stream.binding.subspan {{.*}} -> memref<3x24x16xf32>
// CHECK: %[[M:.*]] = stream.binding.subspan {{.*}} -> memref<2x3x10x24xf32>
// CHECK: %[[C:.*]] = stream.binding.subspan {{.*}} -> memref<2x3x10x24xf32>
// CHECK: %[[MASK:.*]] = vector.create_mask
// CHECK: vector.load %[[B]]
// CHECK: vector.shuffle
// CHECK: vector.store %{{.*}}, %[[S]]
// CHECK: scf.for {{.*}} iter_args
// CHECK-NEXT: %[[B0:.*]] = vector.load %[[S]]
// CHECK-NEXT: %[[B1:.*]] = vector.load %[[S]]
// CHECK-NEXT: memref.load %[[A]]
// CHECK-NEXT: %[[A0:.*]] = vector.broadcast
// CHECK-NEXT: vector.fma %[[A0]], %[[B0]]
// CHECK-NEXT: vector.fma %[[A0]], %[[B1]]
// CHECK-NEXT: memref.load %[[A]]
// CHECK: scf.yield
// CHECK: vector.load %[[M]]
// CHECK: vector.store {{.*}}, %[[C]]
// CHECK: vector.maskedload %[[M]]{{.*}}, %[[MASK]]
// CHECK: vector.maskedstore %[[C]]{{.*}}, %[[MASK]]
func.func @main(%q: tensor<2x3x10x16xf32>, %k: tensor<3x24x16xf32>, %m: tensor<2x3x10x24xf32>) -> tensor<2x3x10x24xf32> {
  %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x3x10x16xf32>, tensor<3x24x16xf32>) -> tensor<2x3x10x24xf32>
  %1 = "sem.elementwise"(%0, %m) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x3x10x24xf32>, tensor<2x3x10x24xf32>) -> tensor<2x3x10x24xf32>
  return %1 : tensor<2x3x10x24xf32>
}

// -----

// Else B is read where it lies. Where both sides know no depth, the program checks that it's one.
// CHECK: cf.assert {{.*}} "extents differ
// CHECK: call @[[K:batch_gemm_[0-9a-f]+]](%arg0, %arg1,
// CHECK: 5·m×k×32 f32, epilogue none
// CHECK: stream.executable private @[[K]] {
// CHECK: %[[B:.*]] = stream.binding.subspan {{.*}} -> memref<5x?x32xf32>
// CHECK: scf.for {{.*}} iter_args
// CHECK-NEXT: vector.load %[[B]]
func.func @main(%x: tensor<5x?x?xf32>, %y: tensor<5x?x32xf32>) -> tensor<5x?x32xf32> {
  %0 = "sem.matmul"(%x, %y) {transpose_lhs = false, transpose_rhs = false} : (tensor<5x?x?xf32>, tensor<5x?x32xf32>) -> tensor<5x?x32xf32>
  return %0 : tensor<5x?x32xf32>
}

// -----

// What the kernel would lose stays a contraction: outer products, and few columns.
// CHECK-NOT: batch_gemm
// CHECK: linalg.generic
func.func @main(%x: tensor<2x64x8xf32>, %y: tensor<2x8x4xf32>, %u: tensor<64x1xf32>, %v: tensor<1x32xf32>) -> (tensor<2x64x4xf32>, tensor<64x32xf32>) {
  %0 = "sem.matmul"(%x, %y) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x64x8xf32>, tensor<2x8x4xf32>) -> tensor<2x64x4xf32>
  %1 = "sem.matmul"(%u, %v) {transpose_lhs = false, transpose_rhs = false} : (tensor<64x1xf32>, tensor<1x32xf32>) -> tensor<64x32xf32>
  return %0, %1 : tensor<2x64x4xf32>, tensor<64x32xf32>
}
