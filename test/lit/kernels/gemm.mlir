// RUN: noema opt %s --passes fuse --kernels x86-64-v4 | FileCheck %s
// RUN: noema opt %s --passes fuse --kernels x86-64-v3 --threads 2 | FileCheck %s --check-prefix=AVX2

// The weight is packed into panels of 48 columns. A register tile of 6 x 48 sums has 6 broadcasts and 3
// loads for 18 products a step. The epilogue runs on the tile; columns past the last are masked.
// CHECK: func.func private @[[K:gemm_[0-9a-f]+]](tensor<6x40xf32>, tensor<1x40x48xf32>, tensor<37xf32>) -> tensor<6x37xf32>
// CHECK: ml_program.global private @{{.*}} : tensor<1x40x48xf32>
// CHECK: call @[[K]](%arg0,
// CHECK: stream.executable private @[[K]] {
// CHECK: %[[X:.*]] = stream.binding.subspan {{.*}} -> memref<6x40xf32>
// CHECK: %[[W:.*]] = stream.binding.subspan {{.*}} -> memref<1x40x48xf32>
// CHECK: %[[B:.*]] = stream.binding.subspan {{.*}} -> memref<37xf32>
// CHECK: %[[R:.*]] = stream.binding.subspan {{.*}} -> memref<6x37xf32>
// CHECK: %[[MASK:.*]] = vector.create_mask
// CHECK: scf.for {{.*}} iter_args
// CHECK: %[[W0:.*]] = vector.load %[[W]]
// CHECK-NEXT: %[[W1:.*]] = vector.load %[[W]]
// CHECK-NEXT: %[[W2:.*]] = vector.load %[[W]]
// CHECK-NEXT: %[[A:.*]] = memref.load %[[X]]
// CHECK-NEXT: %[[A0:.*]] = vector.broadcast %[[A]] : f32 to vector<16xf32>
// CHECK-NEXT: vector.fma %[[A0]], %[[W0]]
// CHECK-NEXT: vector.fma %[[A0]], %[[W1]]
// CHECK-NEXT: vector.fma %[[A0]], %[[W2]]
// CHECK-NEXT: memref.load %[[X]]
// CHECK: scf.yield
// CHECK: vector.load %[[B]]
// CHECK: arith.addf
// CHECK: arith.select
// CHECK: vector.store {{.*}}, %[[R]]
// CHECK: vector.maskedload %[[B]]{{.*}}, %[[MASK]]
// CHECK: vector.maskedstore %[[R]]{{.*}}, %[[MASK]]
//
// With AVX2, vectors of 8 and 16 registers; two threads share the columns.
// AVX2: -> tensor<6x37xf32> attributes {noema.kernel = "{{.*}}1\C3\97{{[2-9]}} workgroups"}
// AVX2-NOT: vector<16xf32>
// AVX2: vector.fma {{.*}} : vector<8xf32>
func.func @main(%x: tensor<6x40xf32>) -> tensor<6x37xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<40x37xf32>} : () -> tensor<40x37xf32>
  %b = "sem.constant"() {value = dense<1.0> : tensor<37xf32>} : () -> tensor<37xf32>
  %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<6x40xf32>, tensor<40x37xf32>) -> tensor<6x37xf32>
  %1 = "sem.elementwise"(%0, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<6x37xf32>, tensor<37xf32>) -> tensor<6x37xf32>
  %2 = "sem.activation"(%1) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<6x37xf32>) -> tensor<6x37xf32>
  return %2 : tensor<6x37xf32>
}
