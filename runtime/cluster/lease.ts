/** A second place where a life keeps its lease. It is over only where it has run out in both. */
export interface Lease {
  /** For so many milliseconds more. False: it had run out, and must be given anew. */
  renew(life: string, ms: number): Promise<boolean>
  /** Only for a life that Postgres has just confirmed. */
  give(life: string, ms: number): Promise<void>
  /** Whether it runs; rejects when nobody can say. */
  runs(life: string): Promise<boolean>
  /** This life is over, and whoever has what it had need not wait: it is to find nothing here that says otherwise. */
  end(life: string): Promise<void>
}
