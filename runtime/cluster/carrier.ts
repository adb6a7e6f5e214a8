/** Takes parcels of text to addresses. May lose, repeat and reorder them; may not garble them or bring them to somebody else. */
export interface Carrier {
  readonly name: string
  /** Bytes of UTF-8 in one parcel. */
  readonly most: number
  /** Milliseconds between two batches to one address, where a parcel costs more than its bytes. */
  readonly pause?: number
  /** False resolves when nobody listens at that address; rejects when nobody can say. Parcels of one turn leave in the order given. */
  carry(address: string, parcel: string): Promise<boolean>
  /** Hears whatever comes to this address, again by itself after a lost connection. `hear` must not throw. */
  listen(address: string, hear: (parcel: string) => void): Promise<void>
  /** Closing twice is fine. */
  close(): Promise<void>
}
