// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// A weight takes all rows of the activation at once: one 2-D contraction.
// CHECK: #[[LHS:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK: #[[RHS:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK: #[[OUT:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func @main(
// CHECK: tensor.collapse_shape %arg0 {{\[\[}}0, 1], [2]] : tensor<2x5x8xf32> into tensor<10x8xf32>
// CHECK: linalg.fill
// CHECK: linalg.generic {indexing_maps = [#[[LHS]], #[[RHS]], #[[OUT]]], iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: tensor<10x8xf32>, tensor<8x3xf32>
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK: tensor.expand_shape
// CHECK-SAME: into tensor<2x5x3xf32>
// CHECK-NOT: sem.
func.func @main(%x: tensor<2x5x8xf32>, %y: tensor<8x3xf32>) -> tensor<2x5x3xf32> {
  %0 = "sem.matmul"(%x, %y) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x5x8xf32>, tensor<8x3xf32>) -> tensor<2x5x3xf32>
  return %0 : tensor<2x5x3xf32>
}

// -----

// The batch dimension that broadcasts is squeezed away, the transposition is in the map, and unknown
// extents that have to agree are checked when the program runs.
// CHECK: #[[LHS:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>
// CHECK: #[[RHS:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d4)>
// CHECK: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>
// CHECK-LABEL: func.func @main(
// CHECK: cf.assert
// CHECK: tensor.collapse_shape %arg1
// CHECK-SAME: tensor<?x1x6x8xf32> into tensor<?x6x8xf32>
// CHECK: linalg.generic {indexing_maps = [#[[LHS]], #[[RHS]], #[[OUT]]], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
func.func @main(%x: tensor<?x4x?x8xf32>, %y: tensor<?x1x6x8xf32>) -> tensor<?x4x?x6xf32> {
  %0 = "sem.matmul"(%x, %y) {transpose_lhs = false, transpose_rhs = true} : (tensor<?x4x?x8xf32>, tensor<?x1x6x8xf32>) -> tensor<?x4x?x6xf32>
  return %0 : tensor<?x4x?x6xf32>
}

// -----

// Narrow floats accumulate in f32.
// CHECK: #[[LHS:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-LABEL: func.func @main(
// CHECK: indexing_maps = [#[[LHS]], 
// CHECK-SAME: outs({{.*}} : tensor<?x5xf32>)
// CHECK: arith.extf
// CHECK: arith.extf
// CHECK: arith.mulf {{.*}} : f32
// CHECK: arith.addf {{.*}} : f32
// CHECK: arith.truncf {{.*}} : f32 to bf16
func.func @main(%x: tensor<3x?xbf16>, %y: tensor<3x5xbf16>) -> tensor<?x5xbf16> {
  %0 = "sem.matmul"(%x, %y) {transpose_lhs = true, transpose_rhs = false} : (tensor<3x?xbf16>, tensor<3x5xbf16>) -> tensor<?x5xbf16>
  return %0 : tensor<?x5xbf16>
}

// -----

// What repeats a smaller tensor is made before the product, not in it.
// CHECK-LABEL: func.func @main(
// CHECK: %[[ROWS:.*]] = "util.optimization_barrier"
// CHECK: %[[TIED:.*]] = "flow.tensor.tie_shape"(%[[ROWS]]
// CHECK: tensor.collapse_shape %[[TIED]]
func.func @main(%x: tensor<1x1x8xf32>, %shape: tensor<3xi64>, %w: tensor<8x4xf32>) -> tensor<?x1x4xf32> {
  %0 = "sem.onnx"(%x, %shape) {op_type = "Expand", domain = "", version = 13 : i64, attrs = {}, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x1x8xf32>, tensor<3xi64>) -> tensor<?x1x8xf32>
  %1 = "sem.matmul"(%0, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x1x8xf32>, tensor<8x4xf32>) -> tensor<?x1x4xf32>
  return %1 : tensor<?x1x4xf32>
}
