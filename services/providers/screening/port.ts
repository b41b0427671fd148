/** Looks an address up before money from it is credited, or sent to it. */
export interface AddressScreening {
  /** `denied` names the list or rule; `unavailable` means nothing is known, and nothing is credited until it is. */
  screen(
    address: string,
  ): Promise<
    | { readonly kind: 'clear' }
    | { readonly kind: 'denied'; readonly list: string }
    | { readonly kind: 'unavailable'; readonly detail: string }
  >;
}
