/** When a certificate is renewed: at half of its life, give or take a twentieth, so that those made together are not renewed together. */
export const toRenewalTime = (life: { readonly from: number; readonly to: number }, random: () => number): number =>
  life.from + (life.to - life.from) * (0.45 + 0.1 * random())
