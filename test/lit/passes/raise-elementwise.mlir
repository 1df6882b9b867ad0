// RUN: noema opt %s --passes=raise | FileCheck %s

// Pointwise operators become sem.elementwise; the named kinds that need more than a name come last.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_101 = array<i32: 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_111 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @abs(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "abs", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @abs(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Abs", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @acos(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "acos", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @acos(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Acos", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @acosh(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "acosh", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @acosh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Acosh", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @add(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @add(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Add", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @and(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "and", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xi1>, tensor<4xi1>) -> tensor<?x4xi1>
func.func @and(%a0: tensor<?x4xi1>, %a1: tensor<4xi1>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "And", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xi1>, tensor<4xi1>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @asin(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "asin", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @asin(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Asin", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @asinh(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "asinh", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @asinh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Asinh", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @atan(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "atan", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @atan(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Atan", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @atanh(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "atanh", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @atanh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Atanh", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @bitwise_and(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "bitwise_and", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xui8>, tensor<4xui8>) -> tensor<?x4xui8>
func.func @bitwise_and(%a0: tensor<?x4xui8>, %a1: tensor<4xui8>) -> tensor<?x4xui8> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "BitwiseAnd", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xui8>, tensor<4xui8>) -> tensor<?x4xui8>
  return %0 : tensor<?x4xui8>
}

// CHECK-LABEL: func.func @bitwise_not(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "bitwise_not", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xui8>) -> tensor<?x4xui8>
func.func @bitwise_not(%a0: tensor<?x4xui8>) -> tensor<?x4xui8> {
  %0 = "sem.onnx"(%a0) {
    op_type = "BitwiseNot", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xui8>) -> tensor<?x4xui8>
  return %0 : tensor<?x4xui8>
}

// CHECK-LABEL: func.func @bitwise_or(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "bitwise_or", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xui8>, tensor<4xui8>) -> tensor<?x4xui8>
func.func @bitwise_or(%a0: tensor<?x4xui8>, %a1: tensor<4xui8>) -> tensor<?x4xui8> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "BitwiseOr", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xui8>, tensor<4xui8>) -> tensor<?x4xui8>
  return %0 : tensor<?x4xui8>
}

// CHECK-LABEL: func.func @bitwise_xor(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "bitwise_xor", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xui8>, tensor<4xui8>) -> tensor<?x4xui8>
func.func @bitwise_xor(%a0: tensor<?x4xui8>, %a1: tensor<4xui8>) -> tensor<?x4xui8> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "BitwiseXor", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xui8>, tensor<4xui8>) -> tensor<?x4xui8>
  return %0 : tensor<?x4xui8>
}

// CHECK-LABEL: func.func @ceil(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "ceil", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @ceil(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Ceil", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @cos(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "cos", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @cos(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Cos", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @cosh(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "cosh", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @cosh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Cosh", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @div(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @div(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Div", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @equal(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "equal", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
func.func @equal(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Equal", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @erf(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "erf", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @erf(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Erf", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @exp(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @exp(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Exp", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @floor(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "floor", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @floor(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Floor", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @greater(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "greater", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
func.func @greater(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Greater", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @greater_or_equal(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "greater_or_equal", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
func.func @greater_or_equal(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "GreaterOrEqual", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @is_nan(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "is_nan", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xi1>
func.func @is_nan(%a0: tensor<?x4xf32>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0) {
    op_type = "IsNaN", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @less(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "less", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
func.func @less(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Less", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @less_or_equal(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "less_or_equal", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
func.func @less_or_equal(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "LessOrEqual", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @log(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "log", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @log(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Log", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @mul(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @mul(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Mul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @neg(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @neg(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Neg", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @not(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "not", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xi1>) -> tensor<?x4xi1>
func.func @not(%a0: tensor<?x4xi1>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Not", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xi1>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @or(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "or", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xi1>, tensor<4xi1>) -> tensor<?x4xi1>
func.func @or(%a0: tensor<?x4xi1>, %a1: tensor<4xi1>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Or", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xi1>, tensor<4xi1>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// CHECK-LABEL: func.func @pow(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @pow(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Pow", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @reciprocal(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "reciprocal", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @reciprocal(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Reciprocal", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @round(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "round", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @round(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Round", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sign(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "sign", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @sign(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Sign", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sin(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "sin", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @sin(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Sin", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sinh(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "sinh", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @sinh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Sinh", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sqrt(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "sqrt", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @sqrt(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Sqrt", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sub(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @sub(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Sub", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @tan(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "tan", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @tan(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Tan", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @where(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}, %{{.*}}) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x1xi1>, tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @where(%a0: tensor<?x1xi1>, %a1: tensor<?x4xf32>, %a2: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Where", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<?x1xi1>, tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @xor(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "xor", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xi1>, tensor<4xi1>) -> tensor<?x4xi1>
func.func @xor(%a0: tensor<?x4xi1>, %a1: tensor<4xi1>) -> tensor<?x4xi1> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Xor", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xi1>, tensor<4xi1>) -> tensor<?x4xi1>
  return %0 : tensor<?x4xi1>
}

// ONNX lets the exponent have a type of its own.
// CHECK-LABEL: func.func @pow_of_mixed_types(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "pow"
func.func @pow_of_mixed_types(%a0: tensor<?x4xf32>, %a1: tensor<i64>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Pow", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<i64>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @add_of_4_bit_integers(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @add_of_4_bit_integers(%a0: tensor<4xi4>, %a1: tensor<4xi4>) -> tensor<4xi4> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Add", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4xi4>, tensor<4xi4>) -> tensor<4xi4>
  return %0 : tensor<4xi4>
}

// CHECK-LABEL: func.func @max_of_three(
// CHECK-NEXT: %[[M:.*]] = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "max", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<3x1xi64>, tensor<4xi64>) -> tensor<3x4xi64>
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%[[M]], %{{.*}}) {kind = "max", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<3x4xi64>, tensor<2x1x1xi64>) -> tensor<2x3x4xi64>
// CHECK-NEXT: return %[[R]]
func.func @max_of_three(%a0: tensor<3x1xi64>, %a1: tensor<4xi64>, %a2: tensor<2x1x1xi64>) -> tensor<2x3x4xi64> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Max", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<3x1xi64>, tensor<4xi64>, tensor<2x1x1xi64>) -> tensor<2x3x4xi64>
  return %0 : tensor<2x3x4xi64>
}

// CHECK-LABEL: func.func @min(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "min"
func.func @min(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Min", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sum_of_one(
// CHECK-NEXT: return %{{.*}} : tensor<?x4xf32>
func.func @sum_of_one(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Sum", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sum(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "add"
func.func @sum(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Sum", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @mod(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "mod"
func.func @mod(%a0: tensor<4xi32>, %a1: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Mod", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @fmod(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "fmod"
func.func @fmod(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Mod", domain = "", version = 21 : i64, attrs = {fmod = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @shift_left(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "shift_left"
func.func @shift_left(%a0: tensor<4xui8>, %a1: tensor<4xui8>) -> tensor<4xui8> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "BitShift", domain = "", version = 21 : i64, attrs = {direction = "LEFT"},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// CHECK-LABEL: func.func @shift_right(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "shift_right"
func.func @shift_right(%a0: tensor<4xui8>, %a1: tensor<4xui8>) -> tensor<4xui8> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "BitShift", domain = "", version = 21 : i64, attrs = {direction = "RIGHT"},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// CHECK-LABEL: func.func @prelu(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}, %{{.*}}) {kind = "prelu"
func.func @prelu(%a0: tensor<?x4xf32>, %a1: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "PRelu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @cast(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%{{.*}}) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xi64>) -> tensor<?xf32>
func.func @cast(%a0: tensor<?xi64>) -> tensor<?xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Cast", domain = "", version = 21 : i64, attrs = {to = 1 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?xi64>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @cast_like(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%arg0) {kind = "cast"
func.func @cast_like(%a0: tensor<?xi64>, %a1: tensor<f32>) -> tensor<?xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "CastLike", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?xi64>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// Rounding and saturation of the narrow types have no named kind.
// CHECK-LABEL: func.func @cast_to_float8(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @cast_to_float8(%a0: tensor<?xf32>) -> tensor<?xf8E4M3FN> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Cast", domain = "", version = 21 : i64, attrs = {saturate = 0 : i64, to = 17 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?xf32>) -> tensor<?xf8E4M3FN>
  return %0 : tensor<?xf8E4M3FN>
}

// CHECK-LABEL: func.func @clip(
// CHECK-NEXT: %{{.*}} = "sem.elementwise"(%arg0, %arg1, %arg2) {kind = "clip"
func.func @clip(%a0: tensor<?x4xf32>, %a1: tensor<f32>, %a2: tensor<f32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Clip", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<f32>, tensor<f32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @clip_below(
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%arg0, %arg1) {kind = "max"
// CHECK-NEXT: return %[[R]]
func.func @clip_below(%a0: tensor<?x4xf32>, %a1: tensor<f32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Clip", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @clip_above(
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%arg0, %arg1) {kind = "min"
// CHECK-NEXT: return %[[R]]
func.func @clip_above(%a0: tensor<?x4xf32>, %a2: tensor<f32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a2) {
    op_type = "Clip", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_101, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// Not what ONNX says, but exporters write it.
// CHECK-LABEL: func.func @clip_with_vector_bounds(
// CHECK-NEXT: %[[M:.*]] = "sem.elementwise"(%arg0, %arg1) {kind = "max"
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%[[M]], %arg2) {kind = "min"
// CHECK-NEXT: return %[[R]]
func.func @clip_with_vector_bounds(%a0: tensor<?x4xf32>, %a1: tensor<1xf32>, %a2: tensor<1xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Clip", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @clip_of_nothing(
// CHECK-NEXT: return %arg0
func.func @clip_of_nothing(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Clip", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
