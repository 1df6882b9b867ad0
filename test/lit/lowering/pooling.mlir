// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 0xFF800000 : f32
// CHECK: tensor.pad %arg0 low[0, 0, 1, 1] high[0, 0, 1, 1]
// CHECK: linalg.pooling_nchw_max {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
func.func @main(%x: tensor<?x4x9x9xf32>) -> tensor<?x4x5x5xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "MaxPool", domain = "", version = 21 : i64, attrs = {kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4x9x9xf32>) -> tensor<?x4x5x5xf32>
  return %0 : tensor<?x4x5x5xf32>
}

// -----

// With the places of the maxima: the first that equals the maximum.
// CHECK: #[[IN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4, d3 * 2 + d5)>
// CHECK-LABEL: func.func @main(
// CHECK-NOT: tensor.pad
// CHECK: linalg.pooling_nchw_max
// CHECK: linalg.generic {indexing_maps = [#[[IN]], 
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK: arith.cmpf ueq
// CHECK: arith.minsi
func.func @main(%x: tensor<1x4x8x8xf32>) -> (tensor<1x4x4x4xf32>, tensor<1x4x4x4xi64>) {
  %0:2 = "sem.onnx"(%x) {
    op_type = "MaxPool", domain = "", version = 21 : i64, attrs = {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x4x8x8xf32>) -> (tensor<1x4x4x4xf32>, tensor<1x4x4x4xi64>)
  return %0#0, %0#1 : tensor<1x4x4x4xf32>, tensor<1x4x4x4xi64>
}

// -----

// Padding does not count, so a window's divisor depends on where it is.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.pad
// CHECK: linalg.pooling_nchw_sum
// CHECK: arith.sitofp
// CHECK: arith.divf
func.func @main(%x: tensor<1x4x9x?xf32>) -> tensor<1x4x5x?xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "AveragePool", domain = "", version = 21 : i64, attrs = {kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x4x9x?xf32>) -> tensor<1x4x5x?xf32>
  return %0 : tensor<1x4x5x?xf32>
}

// -----

// CHECK: #[[IN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4, d3 * 2 + d5)>
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic {indexing_maps = [#[[IN]], 
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: math.sqrt
func.func @main(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "LpPool", domain = "", version = 21 : i64, attrs = {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>, p = 2 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK: arith.addf
// CHECK: tensor.dim %arg0, %c2
// CHECK: tensor.dim %arg0, %c3
// CHECK: arith.divf
func.func @main(%x: tensor<?x4x?x?xf32>) -> tensor<?x4x1x1xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "GlobalAveragePool", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4x?x?xf32>) -> tensor<?x4x1x1xf32>
  return %0 : tensor<?x4x1x1xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK: arith.maximumf
func.func @main(%x: tensor<?x4x5x5xf32>) -> tensor<?x4x1x1xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "GlobalMaxPool", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4x5x5xf32>) -> tensor<?x4x1x1xf32>
  return %0 : tensor<?x4x1x1xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK: math.absf
// CHECK: arith.addf
func.func @main(%x: tensor<1x4x5x5xf32>) -> tensor<1x4x1x1xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "GlobalLpPool", domain = "", version = 21 : i64, attrs = {p = 1 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x4x5x5xf32>) -> tensor<1x4x1x1xf32>
  return %0 : tensor<1x4x1x1xf32>
}

// -----

// CHECK: #[[IN:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1 + d4, d2, d3)>
// CHECK-LABEL: func.func @main(
// CHECK: tensor.pad %arg0 low[0, 1, 0, 0] high[0, 1, 0, 0]
// CHECK: linalg.generic {indexing_maps = [#[[IN]], 
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: math.powf
// CHECK: arith.divf
func.func @main(%x: tensor<?x6x5x5xf32>) -> tensor<?x6x5x5xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "LRN", domain = "", version = 21 : i64, attrs = {size = 3 : i64, alpha = 1.0e-4 : f32, beta = 0.75 : f32, bias = 1.0 : f32},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x6x5x5xf32>) -> tensor<?x6x5x5xf32>
  return %0 : tensor<?x6x5x5xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: linalg.fill
// CHECK: "iree_linalg_ext.scatter"
// CHECK: (tensor<4xf32>, tensor<4x1xi64>, tensor<16xf32>)
// CHECK: tensor.expand_shape
func.func @main(%x: tensor<1x1x2x2xf32>, %y: tensor<1x1x2x2xi64>) -> tensor<1x1x4x4xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "MaxUnpool", domain = "", version = 21 : i64, attrs = {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x1x2x2xf32>, tensor<1x1x2x2xi64>) -> tensor<1x1x4x4xf32>
  return %0 : tensor<1x1x4x4xf32>
}
