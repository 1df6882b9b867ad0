// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Two passes: the variance is that of the differences from the mean.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.addf
// CHECK: arith.divf
// CHECK: arith.subf
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.mulf %[[D:.*]], %[[D]] : f32
// CHECK: arith.divf
// CHECK: arith.subf
// CHECK: math.sqrt
// CHECK: ins({{.*}}, %arg1 :
// CHECK: arith.mulf
// CHECK: ins({{.*}}, %arg2 :
// CHECK: arith.addf
func.func @main(%x: tensor<?x16xf32>, %y: tensor<16xf32>, %z: tensor<16xf32>) -> tensor<?x16xf32> {
  %0 = "sem.norm"(%x, %y, %z) {
    kind = "layer", axis = 1 : i64, groups = 1 : i64, epsilon = 1.000000e-05 : f32, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>
  } : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}

// -----

// No mean; f16 is computed in f32.
// CHECK-LABEL: func.func @main(
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK-NOT: arith.subf
// CHECK: math.sqrt
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @main(%x: tensor<2x16xf16>, %y: tensor<16xf16>) -> tensor<2x16xf16> {
  %0 = "sem.norm"(%x, %y) {
    kind = "rms", axis = 1 : i64, groups = 1 : i64, epsilon = 1.000000e-05 : f32, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>
  } : (tensor<2x16xf16>, tensor<16xf16>) -> tensor<2x16xf16>
  return %0 : tensor<2x16xf16>
}

// -----

// The statistics are given: pointwise.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: reduction
// CHECK: ins(%arg0, {{.*}} : tensor<?x4x?xf32>, tensor<4x1xf32>, tensor<4x1xf32>)
// CHECK: arith.subf
// CHECK: math.sqrt
func.func @main(%x: tensor<?x4x?xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>, %u: tensor<4xf32>, %v: tensor<4xf32>) -> tensor<?x4x?xf32> {
  %0 = "sem.norm"(%x, %y, %z, %u, %v) {
    kind = "batch", axis = 1 : i64, groups = 1 : i64, epsilon = 1.000000e-05 : f32, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>
  } : (tensor<?x4x?xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4x?xf32>
  return %0 : tensor<?x4x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape %arg0
// CHECK-SAME: into tensor<2x3x2x5xf32>
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK: math.sqrt
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<2x6x5xf32>
func.func @main(%x: tensor<2x6x5xf32>, %y: tensor<6xf32>, %z: tensor<6xf32>) -> tensor<2x6x5xf32> {
  %0 = "sem.norm"(%x, %y, %z) {
    kind = "group", axis = 1 : i64, groups = 3 : i64, epsilon = 1.000000e-05 : f32, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>
  } : (tensor<2x6x5xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<2x6x5xf32>
  return %0 : tensor<2x6x5xf32>
}

// -----

// The number of elements is known when the program runs.
// CHECK-LABEL: func.func @main(
// CHECK: arith.sitofp
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.divf
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: math.sqrt
func.func @main(%x: tensor<2x6x?xf32>, %y: tensor<6xf32>, %z: tensor<6xf32>) -> tensor<2x6x?xf32> {
  %0 = "sem.norm"(%x, %y, %z) {
    kind = "instance", axis = 1 : i64, groups = 1 : i64, epsilon = 1.000000e-05 : f32, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>
  } : (tensor<2x6x?xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<2x6x?xf32>
  return %0 : tensor<2x6x?xf32>
}
