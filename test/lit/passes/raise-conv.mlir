// RUN: noema opt %s --passes=raise | FileCheck %s

// Conv becomes sem.conv with every attribute explicit.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_111 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @defaults(
// CHECK-NEXT: %[[R:.*]] = "sem.conv"(%{{.*}}, %{{.*}}) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}
// CHECK-NEXT: return %[[R]]
func.func @defaults(%a0: tensor<1x3x8x8xf32>, %a1: tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32>
  return %0 : tensor<1x4x6x6xf32>
}

// CHECK-LABEL: func.func @everything(
// CHECK-NEXT: %{{.*}} = "sem.conv"(%{{.*}}, %{{.*}}, %{{.*}}) {dilations = array<i64: 2>, groups = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 1>, pads = array<i64: 1, 2>, strides = array<i64: 2>} : (tensor<?x4x9xf32>, tensor<8x2x3xf32>, tensor<8xf32>) -> tensor<?x8x4xf32>
func.func @everything(%a0: tensor<?x4x9xf32>, %a1: tensor<8x2x3xf32>, %a2: tensor<8xf32>) -> tensor<?x8x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {dilations = array<i64: 2>, group = 2 : i64, kernel_shape = array<i64: 3>, pads = array<i64: 1, 2>, strides = array<i64: 2>},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<?x4x9xf32>, tensor<8x2x3xf32>, tensor<8xf32>) -> tensor<?x8x4xf32>
  return %0 : tensor<?x8x4xf32>
}

// ceil(7 / 2) = 4 rows reach over 3 * 2 + 4 = 10: 3 rows of padding, the odd one at the end.
// CHECK-LABEL: func.func @same_upper(
// CHECK-NEXT: %{{.*}} = "sem.conv"{{.*}}pads = array<i64: 1, 0, 2, 1>
func.func @same_upper(%a0: tensor<1x3x7x8xf32>, %a1: tensor<4x3x4x3xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {auto_pad = "SAME_UPPER", strides = array<i64: 2, 2>},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<1x3x7x8xf32>, tensor<4x3x4x3xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: func.func @same_lower(
// CHECK-NEXT: %{{.*}} = "sem.conv"{{.*}}pads = array<i64: 2, 1, 1, 0>
func.func @same_lower(%a0: tensor<1x3x7x8xf32>, %a1: tensor<4x3x4x3xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {auto_pad = "SAME_LOWER", strides = array<i64: 2, 2>},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<1x3x7x8xf32>, tensor<4x3x4x3xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: func.func @valid(
// CHECK-NEXT: %{{.*}} = "sem.conv"{{.*}}pads = array<i64: 0, 0>
func.func @valid(%a0: tensor<1x3x8xf32>, %a1: tensor<4x3x3xf32>) -> tensor<1x4x6xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {auto_pad = "VALID"},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<1x3x8xf32>, tensor<4x3x3xf32>) -> tensor<1x4x6xf32>
  return %0 : tensor<1x4x6xf32>
}

// With stride 1 the padding doesn't depend on the extent.
// CHECK-LABEL: func.func @same_dynamic_stride_one(
// CHECK-NEXT: %{{.*}} = "sem.conv"{{.*}}pads = array<i64: 1, 2>
func.func @same_dynamic_stride_one(%a0: tensor<1x3x?xf32>, %a1: tensor<4x3x4xf32>) -> tensor<1x4x?xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {auto_pad = "SAME_UPPER"},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<1x3x?xf32>, tensor<4x3x4xf32>) -> tensor<1x4x?xf32>
  return %0 : tensor<1x4x?xf32>
}

// CHECK-LABEL: func.func @same_dynamic_strided(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @same_dynamic_strided(%a0: tensor<1x3x?xf32>, %a1: tensor<4x3x4xf32>) -> tensor<1x4x?xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Conv", domain = "", version = 21 : i64, attrs = {auto_pad = "SAME_UPPER", strides = array<i64: 2>},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<1x3x?xf32>, tensor<4x3x4xf32>) -> tensor<1x4x?xf32>
  return %0 : tensor<1x4x?xf32>
}
