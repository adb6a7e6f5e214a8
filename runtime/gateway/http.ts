/** The HTTP door: one fastify, one shape of error, one place where a request becomes a principal. */
import { existsSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import helmet from '@fastify/helmet'
import files from '@fastify/static'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { type FastifyRequest, fastify } from 'fastify'
import {
  type ZodTypeProvider,
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod'
import { Refusal } from '../../machines/refusal.ts'
import type { Log } from '../watch/log.ts'
import type { Metrics } from '../watch/metrics.ts'
import { type Authenticator, type Principal, credentialIn } from './auth.ts'
import { refusing } from './refusing.ts'

export type App = ReturnType<typeof createApp>

interface Options {
  log: Log
  metrics: Metrics
  authenticate: Authenticator
  bodyLimit: number
  origins: string[]
  /** Swagger UI; never in production. */
  docs: boolean
  version: string
  /** The built page. */
  page: string
}

export function createApp({ log, metrics, bodyLimit, docs, version, page, origins }: Options) {
  const app = fastify({
    logger: false,
    bodyLimit,
    trustProxy: false,
    requestIdHeader: false,
    // The caller's own id where it is one: it goes into every log line and back into a header.
    genReqId: ({ headers: { 'x-request-id': given } }) =>
      typeof given === 'string' && /^[\x21-\x7e]{1,200}$/.test(given) ? given : randomUUID(),
    // A reader may be slow, a request may not: the body has this long.
    requestTimeout: 60_000,
    return503OnClosing: false,
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)

  // Bytes that are no UTF-8 would be replaced silently; a person's text is refused rather than changed.
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const text = decode(body as Buffer)
    if (text === undefined) done(new Refusal('text.malformed'))
    else if (text.trim() === '') done(new Refusal('request.malformed', { details: [{ path: '', message: 'the body is empty' }] }))
    else parse(request, text, done)
  })

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    const { origin } = request.headers
    if (origin && (origins.includes('*') || origins.includes(origin))) {
      reply.headers({
        'access-control-allow-origin': origin,
        vary: 'origin',
        'access-control-allow-headers': 'authorization, content-type, x-api-key, x-request-id, last-event-id',
        'access-control-allow-methods': 'GET, POST, PUT, DELETE',
        'access-control-expose-headers': 'x-request-id, x-response-time-ms, retry-after',
      })
      if (request.method === 'OPTIONS') await reply.code(204).send()
    }
  })
  app.addHook('onSend', async (_, reply, payload) => {
    reply.header('x-response-time-ms', reply.elapsedTime.toFixed(1))
    return payload
  })
  app.addHook('onResponse', async (request, reply) => {
    metrics.request(request.routeOptions.url ?? 'unknown', request.method, reply.statusCode, reply.elapsedTime / 1000)
  })

  app.setErrorHandler((error, request, reply) => {
    const refusal = declinedByServer(error) ?? refusing(error, log, { request: request.id, url: request.url })
    metrics.refused(refusal.code)
    if (refusal.retryAfter !== undefined) reply.header('retry-after', String(refusal.retryAfter))
    return reply.code(refusal.status).send(bodyOf(refusal, request.id))
  })
  app.setNotFoundHandler((request, reply) => {
    metrics.refused('route.unknown')
    return reply.code(404).send(bodyOf(new Refusal('route.unknown', { details: { url: request.url } }), request.id))
  })

  void app.register(helmet, {
    xFrameOptions: { action: 'deny' },
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'", 'ws:', 'wss:'],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
        formAction: ["'self'"],
      },
    },
  })
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Nexus',
        version,
        description: 'Real-time chat: every conversation is a durable state machine. The Socket.IO protocol stands in the README.',
      },
      components: {
        securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-API-Key' }, bearer: { type: 'http', scheme: 'bearer' } },
      },
      security: [{ key: [] }, { bearer: [] }],
    },
    transform: jsonSchemaTransform,
  })
  if (docs) void app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
  if (existsSync(page))
    void app.register(files, {
      root: page,
      wildcard: false,
      maxAge: '1h',
      setHeaders: (response, path) => path.endsWith('.html') && response.setHeader('cache-control', 'no-cache'),
    })
  return app
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decode(body: Buffer): string | undefined {
  try {
    return utf8.decode(body)
  } catch {
    return undefined // the decoder's message says nothing that the refusal does not
  }
}

/** What fastify itself declines before a route sees it. */
function declinedByServer(error: unknown): Refusal | undefined {
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new Refusal('request.malformed', {
      details: error.validation.map(({ instancePath, message }) => ({
        path: instancePath.replace(/^\//, '').replaceAll('/', '.'),
        message,
      })),
    })
  }
  if (error instanceof Refusal) return undefined
  const { code, statusCode } = error as { code?: string; statusCode?: number }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Refusal('body.too_large')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Refusal('media.unsupported')
  if (statusCode && statusCode >= 400 && statusCode < 500)
    return new Refusal('request.malformed', { details: [{ path: '', message: (error as Error).message }] })
  return undefined
}

/** One shape that satisfies the readers of each seed: `error`, `message` and `detail` say the same to different people. */
export const bodyOf = ({ code, message, details }: Refusal, request: string) => ({
  error: code,
  code,
  message,
  detail: message,
  ...(details !== undefined && { details }),
  request_id: request,
  error_id: request,
  timestamp: new Date().toISOString(),
})

export type Guarded = (request: FastifyRequest) => Promise<Principal>
export const guarded =
  (authenticate: Authenticator): Guarded =>
  (request) =>
    authenticate(credentialIn(request.headers))
