/**
 * What the methods of all entities share. Timestamps are ISO 8601 with milliseconds. Enum types tolerate values that a
 * newer hub may add.
 */
export type Open<Value extends string> = Value | (string & {});

/** Some of the rows that were asked for. */
export interface Page<Item> {
  items: Item[];
  /** Give it back as `cursor` for the next page; null on the last. */
  nextCursor: string | null;
}
/** Which rows to list. All that is given must be true of them. */
export interface ListParams<Filter> {
  organizationId?: string;
  projectId?: string;
  filter?: Filter;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}
/** A change of one row. */
export interface UpdateParams<Set> {
  id: string;
  set: Set;
  /** Refused with `conflict` where the row changed since. */
  ifUpdatedAt?: string;
}
/** Which row to delete. */
export interface DeleteParams {
  id: string;
  ifUpdatedAt?: string;
}

/** The fields of a new row: those it needs, and those it may have. */
export type Writable<Entity, Required extends keyof Entity, Optional extends keyof Entity> = Pick<Entity, Required> &
  Partial<Pick<Entity, Optional>>;

/** The five methods of an entity. */
export interface Crud<Item, Listed, Filter, Create, Set> {
  /** The rows that the caller may see, a page at a time. */
  list: { params: ListParams<Filter>; result: Page<Listed> };
  /** One row. */
  get: { params: { id: string }; result: Item };
  /** Makes a row. */
  create: { params: Create; result: Item };
  /** Changes the fields that `set` has, and no others. */
  update: { params: UpdateParams<Set>; result: Item };
  /** Deletes the row with everything below it: marked at once, removed later where there is much. */
  delete: { params: DeleteParams; result: { id: string } };
}
/** The same of an entity whose rows have no `updatedAt`: there is nothing that `ifUpdatedAt` could be compared with. */
export interface UnversionedCrud<Item, Listed, Filter, Create, Set>
  extends Omit<Crud<Item, Listed, Filter, Create, Set>, "update" | "delete"> {
  update: { params: { id: string; set: Set }; result: Item };
  delete: { params: { id: string }; result: { id: string } };
}
export type Prefixed<Name extends string, Methods> = {
  [Verb in keyof Methods & string as `${Name}.${Verb}`]: Methods[Verb];
};
