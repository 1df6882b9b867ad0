// An op that the dialect doesn't have.
// RUN: noema opt %s --verify-diagnostics
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{sem.convolve}}
  %0 = "sem.convolve"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return
}
