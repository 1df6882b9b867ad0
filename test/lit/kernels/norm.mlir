// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// Mean, variance around the mean, then the result: sums in f32, on a vector and a masked one.
// CHECK: func.func private @{{norm_[0-9a-f]+}}(tensor<4x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<4x20xf32>
// CHECK: vector.maskedload
// CHECK: vector.shuffle
// CHECK: arith.subf
// CHECK: vector.maskedstore
func.func @main(%x: tensor<4x20xf32>, %s: tensor<20xf32>, %b: tensor<20xf32>) -> tensor<4x20xf32> {
  %0 = "sem.norm"(%x, %s, %b) {axis = 1 : i64, epsilon = 1.0e-5 : f32, groups = 1 : i64, kind = "layer", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<4x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<4x20xf32>
  return %0 : tensor<4x20xf32>
}
