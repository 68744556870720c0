/**
 * Types shared by the methods of all entities. Timestamps are ISO 8601 with milliseconds. Enum types accept values that
 * a newer hub may add.
 */
export type Open<Value extends string> = Value | (string & {});

/** One page of a list. */
export interface Page<Item> {
  items: Item[];
  /** Pass it as `cursor` for the next page. Null on the last page. */
  nextCursor: string | null;
}
/** Parameters of a list. Rows must match all given fields. */
export interface ListParams<Filter> {
  organizationId?: string;
  projectId?: string;
  filter?: Filter;
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}
/** A change of one row. */
export interface UpdateParams<Set> {
  id: string;
  set: Set;
  /** Rejected with `conflict` if the row has changed since. */
  ifUpdatedAt?: string;
}
/** The row to delete. */
export interface DeleteParams {
  id: string;
  ifUpdatedAt?: string;
}

/** The fields of a new row: required and optional ones. */
export type Writable<Entity, Required extends keyof Entity, Optional extends keyof Entity> = Pick<Entity, Required> &
  Partial<Pick<Entity, Optional>>;

/** The five methods of an entity. */
export interface Crud<Item, Listed, Filter, Create, Set> {
  /** Lists the rows visible to the caller, in pages. */
  list: { params: ListParams<Filter>; result: Page<Listed> };
  /** Returns one row. */
  get: { params: { id: string }; result: Item };
  /** Creates a row. */
  create: { params: Create; result: Item };
  /** Changes the fields in `set` and no others. */
  update: { params: UpdateParams<Set>; result: Item };
  /** Deletes the row and everything below it. It is marked immediately; large deletions remove the rows later. */
  delete: { params: DeleteParams; result: { id: string } };
}
/** The same methods for an entity without `updatedAt`: `ifUpdatedAt` is not available. */
export interface UnversionedCrud<Item, Listed, Filter, Create, Set>
  extends Omit<Crud<Item, Listed, Filter, Create, Set>, "update" | "delete"> {
  update: { params: { id: string; set: Set }; result: Item };
  delete: { params: { id: string }; result: { id: string } };
}
export type Prefixed<Name extends string, Methods> = {
  [Verb in keyof Methods & string as `${Name}.${Verb}`]: Methods[Verb];
};
