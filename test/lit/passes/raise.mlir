// RUN: noema opt %s --passes=raise --locations | FileCheck %s
// RUN: noema opt %s --passes=raise --timing -o %t.mlir 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: noema opt %t.mlir --passes=raise | noema opt - | FileCheck %s --check-prefix=AGAIN

// What holds for every operator; raise-*.mlir have them one by one.
// 
// COUNT: raise {{.*}} left 3, raised 5
// AGAIN: kind = "relu"

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_111 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// Every new op has the location of the node.
// CHECK-LABEL: func.func @provenance(
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"{{.*}}loc(#[[LOC:loc[0-9]+]])
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"{{.*}}loc(#[[LOC]])
func.func @provenance(%a0: tensor<2x8xf32>, %a1: tensor<8x4xf32>, %a2: tensor<4xf32>) -> tensor<2x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Gemm", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<2x8xf32>, tensor<8x4xf32>, tensor<4xf32>) -> tensor<2x4xf32> loc("/fc/Gemm")
  return %0 : tensor<2x4xf32>
}

// Operators that read each other are raised together, and Identity vanishes.
// CHECK-LABEL: func.func @chain(
// CHECK-NEXT: %[[A:.*]] = "sem.activation"(%{{.*}}) {{.*}}kind = "relu"
// CHECK-NEXT: %[[B:.*]] = "sem.elementwise"(%[[A]], %[[A]]) {kind = "add"
// CHECK-NEXT: return %[[B]]
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Relu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "sem.onnx"(%0) {
    op_type = "Identity", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "sem.onnx"(%0, %1) {
    op_type = "Add", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// Dropout does nothing outside training.
// CHECK-LABEL: func.func @dropout(
// CHECK-NEXT: return %arg0
func.func @dropout(%a0: tensor<4xf32>, %a1: tensor<f32>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Dropout", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @dropout_that_may_train(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @dropout_that_may_train(%a0: tensor<4xf32>, %a1: tensor<f32>, %a2: tensor<i1>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Dropout", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>, tensor<f32>, tensor<i1>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// What has no named op stays.
// CHECK-LABEL: func.func @unknown_operator(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @unknown_operator(%a0: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "TopologicalSurprise", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// An operator of that name in another domain is another operator.
// CHECK-LABEL: func.func @other_domain(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @other_domain(%a0: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Relu", domain = "com.example", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK: #[[LOC]] = loc("/fc/Gemm")
