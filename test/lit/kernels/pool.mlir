// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// Both output pixels of a row are reduced at once: the input between them is loaded once. Windows that
// leave the image are cut in the code.
// CHECK: func.func private @{{pool_[0-9a-f]+}}(tensor<1x6x4x16xf32>) -> tensor<1x3x2x16xf32>
// CHECK: %[[R:.*]]:2 = scf.for {{.*}} iter_args(%[[M:.*]] = %{{.*}}, %[[N:.*]] = %{{.*}})
// CHECK: %[[A:.*]] = vector.load
// CHECK-NEXT: %[[B:.*]] = arith.maximumf %[[M]], %[[A]]
// CHECK-NEXT: %[[C:.*]] = vector.load
// CHECK-NEXT: arith.maximumf %[[B]], %[[C]]
// CHECK-NEXT: arith.maximumf %[[N]], %[[C]]
// CHECK-COUNT-2: vector.load
// CHECK: scf.yield
// CHECK-NEXT: }
// CHECK-NEXT: vector.store %[[R]]#0
// CHECK: vector.store %[[R]]#1
func.func @main(%x: tensor<1x6x4x16xf32>) -> tensor<1x3x2x16xf32> {
  %0 = "sem.pool"(%x) {kind = "max", kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, include_pad = false} : (tensor<1x6x4x16xf32>) -> tensor<1x3x2x16xf32>
  return %0 : tensor<1x3x2x16xf32>
}
