// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// Operands of several types, an omitted input between two others, two results, every kind of
// attribute that ONNX has outside subgraphs.
// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: %[[R:.*]]:2 = "sem.onnx"(%{{.*}}, %{{.*}}) {attrs = {axes = array<i64: 0, 1>, axis = -1 : i64, beta = 5.000000e-01 : f32, mode = "fast", names = ["a", "b"], scales = array<f32: 1.000000e+00>, value = dense<1> : tensor<2xui8>}, domain = "com.example", op_type = "Mix", operandSegmentSizes = array<i32: 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, version = 1 : i64} : (tensor<?x4xf32>, tensor<i64>) -> (tensor<?xf32>, tensor<?xi1>)
// CHECK-NEXT: return %[[R]]#0
func.func @forms(%x: tensor<?x4xf32>, %i: tensor<i64>) -> tensor<?xf32> {
  %0:2 = "sem.onnx"(%x, %i) {
    op_type = "Mix", domain = "com.example", version = 1 : i64,
    attrs = {
      axis = -1 : i64, beta = 0.5 : f32, mode = "fast", axes = array<i64: 0, 1>,
      scales = array<f32: 1.0>, names = ["a", "b"], value = dense<1> : tensor<2xui8>
    },
    operandSegmentSizes = array<i32: 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4xf32>, tensor<i64>) -> (tensor<?xf32>, tensor<?xi1>)
  return %0#0 : tensor<?xf32>
}

// -----

func.func @nameless(%x: tensor<4xf32>) {
  // expected-error@+1 {{has an empty op_type}}
  %0 = "sem.onnx"(%x) {
    op_type = "", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @version(%x: tensor<4xf32>) {
  // expected-error@+1 {{opset version 0 is not positive}}
  %0 = "sem.onnx"(%x) {
    op_type = "Relu", domain = "", version = 0 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @segments(%x: tensor<4xf32>) {
  // expected-error@+1 {{must have 16 elements, but got 1}}
  %0 = "sem.onnx"(%x) {
    op_type = "Relu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1>, resultSegmentSizes = array<i32: 1>
  } : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @not_a_tensor(%x: f32) {
  // expected-error@+1 {{takes and gives ranked tensors, not f32}}
  %0 = "sem.onnx"(%x) {
    op_type = "Relu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (f32) -> tensor<4xf32>
  return
}
