// Makes agora-tokens.json with the vendor's own builders, of which package.json names the version; with --check compares it
// instead. Time and salt are fixed, so that the same tokens come out again; compressed they may look otherwise from one
// version of zlib to the next, so what is compared is what is inside. `make vectors` does both.
const { readFileSync, writeFileSync } = require('fs')
const { isDeepStrictEqual } = require('util')
const { inflateSync } = require('zlib')
const { AccessToken2, ServiceRtc, ServiceRtm, ServiceFpa } = require('agora-token/src/AccessToken2')
const v1 = require('agora-token/src/AccessToken')
const { RtcTokenBuilder, RtcRole } = require('agora-token')

const appId = '970ca35de60c44645bbae8a215061b33'
const appCertificate = '5cfd2fd1755d40ecb72977518be15d3b'
const issuedAt = 1111111
const realNow = Date.now

function version2(expire, salt, services) {
    const token = new AccessToken2(appId, appCertificate, issuedAt, expire)
    token.salt = salt
    services.forEach(service => token.add_service(service))
    return token.build()
}

function rtc(channel, uid, privileges) {
    const service = new ServiceRtc(channel, uid)
    Object.entries(privileges).forEach(([privilege, seconds]) => service.add_privilege(Number(privilege), seconds))
    return service
}

function version1(channel, uid, end, joinEnd) {
    const token = new v1.AccessToken(appId, appCertificate, channel, uid)
    token.salt = 1
    token.ts = end
    token.addPriviledge(v1.priviledges.kJoinChannel, joinEnd)
    return token.build()
}

function byPublicBuilder(channel, uid, seconds) {
    Date.now = () => issuedAt * 1000
    const RealDate = Date
    const realRandom = Math.random
    Math.random = () => 0
    global.Date = class extends RealDate {
        constructor(...args) { super(...(args.length ? args : [issuedAt * 1000])) }
    }
    const token = RtcTokenBuilder.buildTokenWithUid(appId, appCertificate, channel, uid, RtcRole.SUBSCRIBER, seconds, seconds)
    global.Date = RealDate
    Date.now = realNow
    Math.random = realRandom
    return token
}

// What our builder must make byte for byte (after decompression): one service, the right to join, nothing else.
const made = [
    ['lobby', 1001, 86400, 1],
    ['7d72365eb983485397e3e3f9d460bdda', 2882341273, 600, 1],
    ['a!#$%&()+-:;<=.>?@[]^_{}|~, b', 4294967295, 3600, 99999999],
].map(([channel, uid, seconds, salt]) => ({
    channel, uid, seconds, salt,
    token: version2(seconds, salt, [rtc(channel, uid, { 1: seconds })]),
}))

// What we must be able to read, and when it ends.
const read = [
    { what: 'all rights', channel: 'lobby', uid: 1001, end: issuedAt + 600,
      token: version2(600, 1, [rtc('lobby', 1001, { 1: 600, 2: 600, 3: 600, 4: 600 })]) },
    { what: 'right to join ends first', channel: 'lobby', uid: 1001, end: issuedAt + 100,
      token: version2(600, 1, [rtc('lobby', 1001, { 1: 100 })]) },
    { what: 'right to join without an end of its own', channel: 'lobby', uid: 1001, end: issuedAt + 600,
      token: version2(600, 1, [rtc('lobby', 1001, { 1: 0 })]) },
    { what: 'longer than the vendor lets it live', channel: 'lobby', uid: 1001, end: issuedAt + 86400,
      token: version2(864000, 1, [rtc('lobby', 1001, { 1: 864000 })]) },
    { what: 'for every uid', channel: 'lobby', uid: 0, end: issuedAt + 600,
      token: version2(600, 1, [rtc('lobby', 0, { 1: 600 })]) },
    { what: 'for every channel', channel: '*', uid: 1001, end: issuedAt + 600,
      token: version2(600, 1, [rtc('*', 1001, { 1: 600 })]) },
    { what: 'with another service behind', channel: 'lobby', uid: 1001, end: issuedAt + 600,
      token: version2(600, 1, [new ServiceRtm('user'), rtc('lobby', 1001, { 1: 600 }), new ServiceFpa()]) },
    { what: 'public builder', channel: 'lobby', uid: 1001, end: issuedAt + 600,
      token: byPublicBuilder('lobby', 1001, 600) },
    { what: 'version 1', channel: 'lobby', uid: 1001, end: 1446455471, version: 1,
      token: version1('lobby', 1001, 1446455471, 1446455471) },
    { what: 'version 1, right to join ends first', channel: 'lobby', uid: 1001, end: 1446455400, version: 1,
      token: version1('lobby', 1001, 1446455471, 1446455400) },
    { what: 'version 1, for every uid', channel: 'lobby', uid: 0, end: 1446455471, version: 1,
      token: version1('lobby', 0, 1446455471, 0) },
]
const foreign = [{ what: 'another service', token: version2(600, 1, [new ServiceRtm('user')]) }]

const { version } = require('agora-token/package.json')
const file = `${__dirname}/agora-tokens.json`
const anew = { builder: `agora-token ${version}`, appId, appCertificate, issuedAt, made, read, foreign }

function opened(token) {
    if (!token.startsWith('007')) return token
    return '007' + inflateSync(Buffer.from(token.slice(3), 'base64')).toString('hex')
}

function withOpenedTokens(vectors) {
    return JSON.parse(JSON.stringify(vectors), (key, value) => key === 'token' ? opened(value) : value)
}

if (!process.argv.includes('--check')) {
    writeFileSync(file, JSON.stringify(anew, null, 2) + '\n')
} else {
    const kept = withOpenedTokens(JSON.parse(readFileSync(file, 'utf8')))
    const wanted = withOpenedTokens(anew)
    const wrong = Object.keys({ ...kept, ...wanted }).filter(part => !isDeepStrictEqual(kept[part], wanted[part]))
    if (wrong.length > 0) {
        console.error(`vectors: ${wrong.join(', ')} of tests/vectors/agora-tokens.json are not what agora-token ${version} makes; \`UPDATE=1 make vectors\` writes it anew`)
        process.exit(1)
    }
    console.log(`vectors: ${made.length + read.length + foreign.length} tokens are as agora-token ${version} makes them`)
}
