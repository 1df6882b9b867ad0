// RUN: noema opt %s --passes=recognize,cse,dce | FileCheck %s

// Pattern scaled-dot-product-attention. Its numeric tests are test/unit/passes/test_sdpa.py.

#two = array<i32: 1, 1, 0>
#in_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#in_2 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#out_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @added_mask(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg1, %arg2, %arg3) {is_causal = false
// CHECK-SAME: scale = 1.250000e-01 : f64, softcap = 0.000000e+00 : f32}
// CHECK-NEXT: return %[[Y]]
func.func @added_mask(%q: tensor<?x4x?x8xf32>, %k: tensor<?x4x?x8xf32>, %v: tensor<?x4x?x8xf32>, %m: tensor<?x1x1x?xf32>) -> tensor<?x4x?x8xf32> {
  %c = "sem.constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x?xf32>
  %1 = "sem.elementwise"(%0, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %2 = "sem.elementwise"(%1, %m) {kind = "add", operandSegmentSizes = #two} : (tensor<?x4x?x?xf32>, tensor<?x1x1x?xf32>) -> tensor<?x4x?x?xf32>
  %3 = "sem.softmax"(%2) {axis = 3 : i64, log = false} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %4 = "sem.matmul"(%3, %v) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %4 : tensor<?x4x?x8xf32>
}

// The root of the scale on queries and on transposed keys; a condition; NaN that becomes 0.
// CHECK-LABEL: func.func @chosen(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg1, %arg2, %arg3) {{.*}} scale = 2.500000e-01 : f64
// CHECK-SAME: tensor<?x1x?x?xi1>
// CHECK-NEXT: return %[[Y]]
func.func @chosen(%q: tensor<?x4x?x8xf32>, %k: tensor<?x4x?x8xf32>, %v: tensor<?x4x?x8xf32>, %m: tensor<?x1x?x?xi1>) -> tensor<?x4x?x8xf32> {
  %c = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %never = "sem.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %t = "sem.onnx"(%k) {op_type = "Transpose", domain = "", version = 18 : i64, attrs = {perm = array<i64: 0, 1, 3, 2>}, operandSegmentSizes = #in_1, resultSegmentSizes = #out_1} : (tensor<?x4x?x8xf32>) -> tensor<?x4x8x?xf32>
  %a = "sem.elementwise"(%q, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<f32>) -> tensor<?x4x?x8xf32>
  %b = "sem.elementwise"(%t, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x8x?xf32>, tensor<f32>) -> tensor<?x4x8x?xf32>
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %1 = "sem.elementwise"(%m, %0, %never) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x1x?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %2 = "sem.softmax"(%1) {axis = 3 : i64, log = false} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %3 = "sem.elementwise"(%2) {kind = "is_nan", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xi1>
  %4 = "sem.elementwise"(%3, %zero, %2) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x4x?x?xi1>, tensor<f32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %5 = "sem.matmul"(%4, %v) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %5 : tensor<?x4x?x8xf32>
}

// A finite number instead of -inf: a row that forbids everything is an average of all values.
// CHECK-LABEL: func.func @chosen_finite(
// CHECK: %[[M:.*]] = "sem.elementwise"(%arg2, %{{.*}}, %{{.*}}) {kind = "where"{{.*}} -> tensor<?x1x?x?xf32>
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg1, %arg1, %[[M]])
// CHECK-NEXT: return %[[Y]]
func.func @chosen_finite(%q: tensor<?x4x?x8xf32>, %k: tensor<?x4x?x8xf32>, %m: tensor<?x1x?x?xi1>) -> tensor<?x4x?x8xf32> {
  %never = "sem.constant"() {value = dense<-1.0e4> : tensor<f32>} : () -> tensor<f32>
  %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x?xf32>
  %1 = "sem.elementwise"(%m, %0, %never) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x1x?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %2 = "sem.softmax"(%1) {axis = 3 : i64, log = false} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %3 = "sem.matmul"(%2, %k) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %3 : tensor<?x4x?x8xf32>
}

// Keys and values repeated for groups of two queries, and a softcap.
// CHECK-LABEL: func.func @grouped(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg1, %arg1) {{.*}} softcap = 5.000000e+01 : f32} : (tensor<2x4x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>) -> tensor<2x4x5x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @grouped(%q: tensor<2x4x5x8xf32>, %k: tensor<2x2x5x8xf32>) -> tensor<2x4x5x8xf32> {
  %c = "sem.constant"() {value = dense<50.0> : tensor<f32>} : () -> tensor<f32>
  %axis = "sem.constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %wide = "sem.constant"() {value = dense<[2, 2, 2, 5, 8]> : tensor<5xi64>} : () -> tensor<5xi64>
  %shape = "sem.constant"() {value = dense<[2, 4, 5, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %u = "sem.onnx"(%k, %axis) {op_type = "Unsqueeze", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<2x2x5x8xf32>, tensor<1xi64>) -> tensor<2x2x1x5x8xf32>
  %e = "sem.onnx"(%u, %wide) {op_type = "Expand", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<2x2x1x5x8xf32>, tensor<5xi64>) -> tensor<2x2x2x5x8xf32>
  %r = "sem.onnx"(%e, %shape) {op_type = "Reshape", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<2x2x2x5x8xf32>, tensor<4xi64>) -> tensor<2x4x5x8xf32>
  %0 = "sem.matmul"(%q, %r) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x5xf32>
  %1 = "sem.elementwise"(%0, %c) {kind = "div", operandSegmentSizes = #two} : (tensor<2x4x5x5xf32>, tensor<f32>) -> tensor<2x4x5x5xf32>
  %2 = "sem.activation"(%1) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "tanh"} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %3 = "sem.elementwise"(%2, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<2x4x5x5xf32>, tensor<f32>) -> tensor<2x4x5x5xf32>
  %4 = "sem.softmax"(%3) {axis = 3 : i64, log = false} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %5 = "sem.matmul"(%4, %r) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x5x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return %5 : tensor<2x4x5x8xf32>
}

// Batch and heads merged around the products; the heads show where the mask is added.
// CHECK-LABEL: func.func @merged_heads(
// CHECK: %[[Y:.*]] = "sem.attention"(%{{.*}}, %{{.*}}, %{{.*}}, %arg1) {{.*}} : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x1x5x5xf32>) -> tensor<2x4x5x8xf32>
// CHECK: return %{{.*}} : tensor<8x5x8xf32>
func.func @merged_heads(%x: tensor<8x5x8xf32>, %m: tensor<2x1x5x5xf32>) -> tensor<8x5x8xf32> {
  %four = "sem.constant"() {value = dense<[2, 4, 5, 5]> : tensor<4xi64>} : () -> tensor<4xi64>
  %three = "sem.constant"() {value = dense<[8, 5, 5]> : tensor<3xi64>} : () -> tensor<3xi64>
  %0 = "sem.matmul"(%x, %x) {transpose_lhs = false, transpose_rhs = true} : (tensor<8x5x8xf32>, tensor<8x5x8xf32>) -> tensor<8x5x5xf32>
  %1 = "sem.onnx"(%0, %four) {op_type = "Reshape", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<8x5x5xf32>, tensor<4xi64>) -> tensor<2x4x5x5xf32>
  %2 = "sem.elementwise"(%1, %m) {kind = "add", operandSegmentSizes = #two} : (tensor<2x4x5x5xf32>, tensor<2x1x5x5xf32>) -> tensor<2x4x5x5xf32>
  %3 = "sem.softmax"(%2) {axis = 3 : i64, log = false} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %4 = "sem.onnx"(%3, %three) {op_type = "Reshape", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<2x4x5x5xf32>, tensor<3xi64>) -> tensor<8x5x5xf32>
  %5 = "sem.matmul"(%4, %x) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x5x5xf32>, tensor<8x5x8xf32>) -> tensor<8x5x8xf32>
  return %5 : tensor<8x5x8xf32>
}

// A softmax over the queries; probabilities that are scaled; values that are a weight.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: sem.attention
func.func @others(%q: tensor<2x4x5x8xf32>, %m: tensor<2x1x5x5xf32>) -> (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<5x8xf32>
  %0 = "sem.matmul"(%q, %q) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x5xf32>
  %1 = "sem.softmax"(%0) {axis = 2 : i64, log = false} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %2 = "sem.matmul"(%1, %q) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x5x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  %3 = "sem.softmax"(%0) {axis = 3 : i64, log = false} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %4 = "sem.elementwise"(%3, %m) {kind = "mul", operandSegmentSizes = #two} : (tensor<2x4x5x5xf32>, tensor<2x1x5x5xf32>) -> tensor<2x4x5x5xf32>
  %5 = "sem.matmul"(%4, %q) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x5x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  %6 = "sem.matmul"(%3, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x5x5xf32>, tensor<5x8xf32>) -> tensor<2x4x5x8xf32>
  return %2, %5, %6 : tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>
}

// A score that no key stands for, joined before the softmax and dropped after it.
// CHECK-LABEL: func.func @sinks(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg1, %arg2, %arg3) {{.*}}operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1>
// CHECK-NEXT: return %[[Y]]
func.func @sinks(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x8xf32>, %s: tensor<2x4x5x1xf32>) -> tensor<2x4x5x8xf32> {
  %from = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %to = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = "sem.constant"() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x7xf32>
  %1 = "sem.onnx"(%0, %s) {op_type = "Concat", domain = "", version = 18 : i64, attrs = {axis = -1 : i64}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<2x4x5x7xf32>, tensor<2x4x5x1xf32>) -> tensor<2x4x5x8xf32>
  %2 = "sem.softmax"(%1) {axis = 3 : i64, log = false} : (tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  %3 = "sem.onnx"(%2, %from, %to, %last) {op_type = "Slice", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = #out_1} : (tensor<2x4x5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x4x5x7xf32>
  %4 = "sem.matmul"(%3, %v) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x5x7xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return %4 : tensor<2x4x5x8xf32>
}

// SAM: a bias by rows and one by columns, while the scores of 6 places are taken apart.
// CHECK-LABEL: func.func @places(
// CHECK: %[[BOTH:.*]] = "sem.elementwise"(%arg3, %arg4) {kind = "add"
// CHECK: "sem.onnx"(%[[BOTH]], {{.*}}op_type = "Reshape"
// CHECK: "sem.attention"
func.func @places(%q: tensor<8x6x8xf32>, %k: tensor<8x6x8xf32>, %v: tensor<8x6x8xf32>, %r: tensor<8x2x3x2x1xf32>, %c: tensor<8x2x3x1x3xf32>) -> tensor<8x6x8xf32> {
  %apart = "sem.constant"() {value = dense<[8, 2, 3, 2, 3]> : tensor<5xi64>} : () -> tensor<5xi64>
  %back = "sem.constant"() {value = dense<[8, 6, 6]> : tensor<3xi64>} : () -> tensor<3xi64>
  %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true} : (tensor<8x6x8xf32>, tensor<8x6x8xf32>) -> tensor<8x6x6xf32>
  %1 = "sem.onnx"(%0, %apart) {op_type = "Reshape", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<8x6x6xf32>, tensor<5xi64>) -> tensor<8x2x3x2x3xf32>
  %2 = "sem.elementwise"(%1, %r) {kind = "add", operandSegmentSizes = #two} : (tensor<8x2x3x2x3xf32>, tensor<8x2x3x2x1xf32>) -> tensor<8x2x3x2x3xf32>
  %3 = "sem.elementwise"(%2, %c) {kind = "add", operandSegmentSizes = #two} : (tensor<8x2x3x2x3xf32>, tensor<8x2x3x1x3xf32>) -> tensor<8x2x3x2x3xf32>
  %4 = "sem.onnx"(%3, %back) {op_type = "Reshape", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<8x2x3x2x3xf32>, tensor<3xi64>) -> tensor<8x6x6xf32>
  %5 = "sem.softmax"(%4) {axis = 2 : i64, log = false} : (tensor<8x6x6xf32>) -> tensor<8x6x6xf32>
  %6 = "sem.matmul"(%5, %v) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x6x6xf32>, tensor<8x6x8xf32>) -> tensor<8x6x8xf32>
  return %6 : tensor<8x6x8xf32>
}
