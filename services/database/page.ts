/** A window on a list that is ordered by id, newest first. Ids are plain UUIDs. */
export interface PageRequest {
  readonly limit: number;
  /** Older than this one. */
  readonly startingAfter?: string;
  /** Newer than this one. */
  readonly endingBefore?: string;
  /** Recorded at this instant or later. */
  readonly from?: Date;
  /** Recorded before this instant. */
  readonly before?: Date;
}

export interface Page<T> {
  readonly data: readonly T[];
  readonly hasMore: boolean;
}
