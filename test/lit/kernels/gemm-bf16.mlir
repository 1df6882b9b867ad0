// RUN: noema opt %s --kernels x86-64-v4-bf16 | FileCheck %s
// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s --check-prefix=NONE

// Pairs of bf16 are broadcast as 32 bits; one instruction multiplies 32 of them into 16 f32 sums.
// CHECK: func.func private @[[K:gemm_[0-9a-f]+]](tensor<2x6xbf16>, tensor<1x3x32xbf16>) -> tensor<2x16xf32>
// CHECK: %[[X:.*]] = stream.binding.subspan {{.*}} -> memref<2x6xbf16>
// CHECK: %[[W:.*]] = stream.binding.subspan {{.*}} -> memref<1x3x32xbf16>
// CHECK: %[[W0:.*]] = vector.load %[[W]]{{.*}}, vector<32xbf16>
// CHECK-NEXT: vector.load %[[X]]{{.*}}, vector<2xbf16>
// CHECK-NEXT: vector.bitcast {{.*}} : vector<2xbf16> to vector<1xi32>
// CHECK: vector.broadcast {{.*}} : i32 to vector<16xi32>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"({{.*}}, %[[W0]])
// CHECK-NOT: arith.extf
// CHECK: vector.store {{.*}} vector<16xf32>
//
// Where there is no such instruction no kernel serves it.
// NONE-NOT: gemm_
// NONE: linalg.generic
// NONE-NOT: stream.executable
func.func @main(%x: tensor<2x6xbf16>) -> tensor<2x16xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<6x16xbf16>} : () -> tensor<6x16xbf16>
  %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x6xbf16>, tensor<6x16xbf16>) -> tensor<2x16xf32>
  return %0 : tensor<2x16xf32>
}
