import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createMethodImplSpec,
  createServiceImplSpec,
  type MethodImplSpec,
} from "@connectrpc/connect";

/** What a router was given for its routes; the options of one service come before those of the router. */
export type RouteOptions = ConnectRouterOptions;

/** The methods that can be served by a short way: one message comes, and one or many go. */
type ShortSpec = Extract<MethodImplSpec, { readonly kind: "unary" | "server_streaming" }>;

/** A method as a router was given it. */
export interface ShortRoute {
  readonly spec: ShortSpec;
  readonly options: RouteOptions;
  /** Which protocols its callers may speak. */
  readonly protocols: { readonly grpc: boolean; readonly connect: boolean };
}

export interface RecordedRoutes {
  /** Gives everything to the router that it was made of. */
  readonly router: ConnectRouter;
  /** Those that can be served by a short way, in the order in which they came. */
  readonly routes: readonly ShortRoute[];
}

/**
 * A router that notes what another one is given, so that both serve the same implementations.
 *
 * @param base what the other router was made with.
 */
export function recordRoutes(inner: ConnectRouter, base: RouteOptions): RecordedRoutes {
  const routes: ShortRoute[] = [];
  const note = (spec: MethodImplSpec, own: RouteOptions | undefined) => {
    if (spec.kind !== "unary" && spec.kind !== "server_streaming") return;
    // Connect asks the nearest options alone which protocols are spoken. Source: connect 2.2, `router.ts`.
    const { grpc, connect } = own ?? base;
    routes.push({
      spec,
      options: { ...base, ...own },
      protocols: { grpc: grpc !== false, connect: connect !== false },
    });
  };
  const router: ConnectRouter = {
    handlers: inner.handlers,
    service: (service, implementation, options) => {
      inner.service(service, implementation, options);
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) note(spec, options);
      return router;
    },
    rpc: (method, implementation, options) => {
      inner.rpc(method, implementation, options);
      note(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  return { router, routes };
}
