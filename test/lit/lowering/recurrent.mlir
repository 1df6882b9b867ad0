// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// The inputs of all steps in one contraction; few steps are unrolled.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: tensor<10x3xf32>, tensor<4x3xf32>
// CHECK-COUNT-5: math.tanh
// CHECK-NOT: cf.br
func.func @main(%x: tensor<5x2x3xf32>, %y: tensor<1x4x3xf32>, %z: tensor<1x4x4xf32>) -> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>) {
  %0:2 = "sem.onnx"(%x, %y, %z) {
    op_type = "RNN", domain = "", version = 21 : i64, attrs = {hidden_size = 4 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32>) -> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>)
  return %0#0, %0#1 : tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
}

// -----

// An unknown number of steps is a loop, written as branches.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: tensor<?x3xf32>, tensor<12x3xf32>
// CHECK: cf.cond_br
// CHECK: cf.cond_br
// CHECK: math.exp
// CHECK: math.tanh
// CHECK-NOT: scf.
func.func @main(%x: tensor<?x2x3xf32>, %y: tensor<1x12x3xf32>, %z: tensor<1x12x4xf32>) -> (tensor<?x1x2x4xf32>, tensor<1x2x4xf32>) {
  %0:2 = "sem.onnx"(%x, %y, %z) {
    op_type = "GRU", domain = "", version = 21 : i64, attrs = {hidden_size = 4 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32>) -> (tensor<?x1x2x4xf32>, tensor<1x2x4xf32>)
  return %0#0, %0#1 : tensor<?x1x2x4xf32>, tensor<1x2x4xf32>
}

// -----

// Two directions; the first result is not asked for.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: tensor<16x3xf32>
// CHECK: math.tanh
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: tensor<16x3xf32>
// CHECK: math.tanh
// CHECK: return %{{.*}}, %{{.*}} : tensor<2x?x4xf32>, tensor<2x?x4xf32>
func.func @main(%x: tensor<6x?x3xf32>, %y: tensor<2x16x3xf32>, %z: tensor<2x16x4xf32>, %u: tensor<2x32xf32>) -> (tensor<2x?x4xf32>, tensor<2x?x4xf32>) {
  %0:2 = "sem.onnx"(%x, %y, %z, %u) {
    op_type = "LSTM", domain = "", version = 21 : i64, attrs = {hidden_size = 4 : i64, direction = "bidirectional"},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<6x?x3xf32>, tensor<2x16x3xf32>, tensor<2x16x4xf32>, tensor<2x32xf32>) -> (tensor<2x?x4xf32>, tensor<2x?x4xf32>)
  return %0#0, %0#1 : tensor<2x?x4xf32>, tensor<2x?x4xf32>
}
