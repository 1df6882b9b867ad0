// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape %arg0
// CHECK-SAME: into tensor<?x3x4xf32>
func.func @main(%x: tensor<?x12xf32>) -> tensor<?x3x4xf32> {
  %c1 = "sem.constant"() {value = dense<[0, 3, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x12xf32>, tensor<3xi64>) -> tensor<?x3x4xf32>
  return %0 : tensor<?x3x4xf32>
}

// -----

// The target is known when the program runs; so is what 0 and -1 in it stand for.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1[%c0]
// CHECK: tensor.extract %arg1[%c1]
// CHECK: tensor.collapse_shape %arg0
// CHECK: tensor.expand_shape
// CHECK-SAME: into tensor<?x?xf32>
func.func @main(%x: tensor<?x?xf32>, %y: tensor<2xi64>) -> tensor<?x?xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x?xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.collapse_shape %arg0 {{\[\[}}0, 1], [2]]
func.func @main(%x: tensor<2x3x?xf32>) -> tensor<6x?xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Flatten", domain = "", version = 21 : i64, attrs = {axis = 2 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x3x?xf32>) -> tensor<6x?xf32>
  return %0 : tensor<6x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.collapse_shape %arg0 {{\[\[}}0], [1, 2]]
func.func @main(%x: tensor<1x?x1xf32>) -> tensor<1x?xf32> {
  %c1 = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "Squeeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x?x1xf32>, tensor<1xi64>) -> tensor<1x?xf32>
  return %0 : tensor<1x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape %arg0
// CHECK-SAME: into tensor<?x1x3xf32>
func.func @main(%x: tensor<?x3xf32>) -> tensor<?x1x3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>, tensor<1xi64>) -> tensor<?x1x3xf32>
  return %0 : tensor<?x1x3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK-NEXT: return %arg0
func.func @main(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Identity", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// -----

// CHECK: #[[IN:.*]] = affine_map<(d0, d1, d2) -> (d1, d2, d0)>
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic {indexing_maps = [#[[IN]], 
// CHECK-NEXT: ^bb0
// CHECK-NEXT: linalg.yield
func.func @main(%x: tensor<?x3x4xf32>) -> tensor<4x?x3xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 2, 0, 1>},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3x4xf32>) -> tensor<4x?x3xf32>
  return %0 : tensor<4x?x3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.insert_slice %arg0 into
// CHECK: tensor.insert_slice %arg1 into %{{.*}}[0, %dim]
func.func @main(%x: tensor<2x?xf32>, %y: tensor<2x3xf32>) -> tensor<2x?xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Concat", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x?xf32>, tensor<2x3xf32>) -> tensor<2x?xf32>
  return %0 : tensor<2x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract_slice %arg0[0, 0]
// CHECK: tensor.extract_slice %arg0[0, 2]
func.func @main(%x: tensor<?x5xf32>) -> (tensor<?x2xf32>, tensor<?x3xf32>) {
  %c1 = "sem.constant"() {value = dense<[2, 3]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0:2 = "sem.onnx"(%x, %c1) {
    op_type = "Split", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x5xf32>, tensor<2xi64>) -> (tensor<?x2xf32>, tensor<?x3xf32>)
  return %0#0, %0#1 : tensor<?x2xf32>, tensor<?x3xf32>
}

// -----

// CHECK: #[[IN:.*]] = affine_map<(d0, d1, d2) -> (d1, 0)>
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1[%c0]
// CHECK: linalg.generic {indexing_maps = [#[[IN]], 
func.func @main(%x: tensor<3x1xf32>, %y: tensor<3xi64>) -> tensor<?x3x4xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Expand", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x1xf32>, tensor<3xi64>) -> tensor<?x3x4xf32>
  return %0 : tensor<?x3x4xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK: -> tensor<?x2x3xf32>
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<?x6xf32>
func.func @main(%x: tensor<?x3xf32>) -> tensor<?x6xf32> {
  %c1 = "sem.constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "Tile", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>, tensor<2xi64>) -> tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 3 : i64
// CHECK: tensor.dim %arg0, %c0
// CHECK: tensor.from_elements
func.func @main(%x: tensor<?x3xf32>) -> tensor<2xi64> {
  %0 = "sem.onnx"(%x) {
    op_type = "Shape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>) -> tensor<2xi64>
  return %0 : tensor<2xi64>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.dim %arg0, %c0
// CHECK: arith.muli
// CHECK: tensor.from_elements
func.func @main(%x: tensor<?x3xf32>) -> tensor<i64> {
  %0 = "sem.onnx"(%x) {
    op_type = "Size", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>) -> tensor<i64>
  return %0 : tensor<i64>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.ceildivsi
// CHECK: tensor.empty(
// CHECK: linalg.index 0
// CHECK: arith.muli
// CHECK: arith.addi
func.func @main(%x: tensor<i64>, %y: tensor<i64>, %z: tensor<i64>) -> tensor<?xi64> {
  %0 = "sem.onnx"(%x, %y, %z) {
    op_type = "Range", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  return %0 : tensor<?xi64>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant dense<7>
// CHECK: tensor.empty(%{{.*}}, %{{.*}}) : tensor<?x?xi32>
// CHECK: linalg.generic
func.func @main(%x: tensor<2xi64>) -> tensor<?x?xi32> {
  %0 = "sem.onnx"(%x) {
    op_type = "ConstantOfShape", domain = "", version = 21 : i64, attrs = {value = dense<7> : tensor<1xi32>},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2xi64>) -> tensor<?x?xi32>
  return %0 : tensor<?x?xi32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: linalg.index 0
// CHECK: linalg.index 1
// CHECK: arith.cmpi eq
// CHECK: arith.select
func.func @main(%x: tensor<3x?xf32>) -> tensor<3x?xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "EyeLike", domain = "", version = 21 : i64, attrs = {k = 1 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>) -> tensor<3x?xf32>
  return %0 : tensor<3x?xf32>
}

// -----

// Arithmetic on extents, with the constants that exporters put beside them, stays with the host:
// no tensor is made of it that would have to be read back.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: tensor.extract
// CHECK-NOT: tensor.insert
// CHECK: tensor.empty(%{{.*}}) : tensor<?x3xi64>
// CHECK-NOT: tensor.extract
// CHECK: return
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x3xi64> {
  %zero = "sem.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %first = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %three = "sem.constant"() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %whole = "sem.constant"() {value = dense<[false, true]> : tensor<2xi1>} : () -> tensor<2xi1>
  %ones = "sem.constant"() {value = dense<1> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "sem.onnx"(%x) {
    op_type = "Shape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4xf32>) -> tensor<2xi64>
  %1 = "sem.onnx"(%0, %zero) {
    op_type = "Gather", domain = "", version = 21 : i64, attrs = {axis = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %2 = "sem.onnx"(%1, %first) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %3 = "sem.onnx"(%2, %three) {
    op_type = "Concat", domain = "", version = 21 : i64, attrs = {axis = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %4 = "sem.elementwise"(%whole, %ones, %3) {
    kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>
  } : (tensor<2xi1>, tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  %5 = "sem.onnx"(%three, %4) {
    op_type = "Expand", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1xi64>, tensor<2xi64>) -> tensor<?x1xi64>
  %6 = "sem.onnx"(%5, %3) {
    op_type = "Expand", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x1xi64>, tensor<2xi64>) -> tensor<?x3xi64>
  return %6 : tensor<?x3xi64>
}
