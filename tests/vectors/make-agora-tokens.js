// Makes agora-tokens.json with the vendor's own builders: `npm install agora-token@2.0.6 && node make-agora-tokens.js`.
// Time and salt are fixed, so that the same tokens come out again.
const { writeFileSync } = require('fs')
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
    global.Date = class extends RealDate {
        constructor(...args) { super(...(args.length ? args : [issuedAt * 1000])) }
    }
    const token = RtcTokenBuilder.buildTokenWithUid(appId, appCertificate, channel, uid, RtcRole.SUBSCRIBER, seconds, seconds)
    global.Date = RealDate
    Date.now = realNow
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

writeFileSync(`${__dirname}/agora-tokens.json`,
    JSON.stringify({ builder: 'agora-token 2.0.6', appId, appCertificate, issuedAt, made, read, foreign }, null, 2) + '\n')
